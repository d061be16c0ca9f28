"""From photographs to the LQ images that a network learns from: draws, kernels, noise, JPEG.

`pipelines` names them all: another one is a file here and a field there.
May import: `kdsr` alone.
"""
