"""Tiled processing of images larger than memory, and recovery when memory runs out.

Contents: pure layout arithmetic, the loop over tiles, free memory, precision of a device.
May import: `kdsr.network` and the files at the top of `kdsr`; nothing else.
"""
