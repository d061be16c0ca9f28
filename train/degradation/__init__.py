"""Degradations that turn photographs into LQ training images: blur, resizing, noise, codecs.

`pipelines` names all pipelines; a new one is a file here and a field there.
May import: `kdsr` alone.
"""
