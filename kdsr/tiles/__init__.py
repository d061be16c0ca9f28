"""Tiled processing of images larger than memory, and recovery when memory runs out.

Contents: pure layout arithmetic; the loop over tiles, with memory and dtype of its device.
May import: the files at the top of `kdsr`; nothing else.
"""
