"""Image -> IDR: of a whole image, of the cells of a grid, of regions, over the frames of a video.

May import: `kdsr.tiles`, `kdsr.network` and what lies at the top of `kdsr`; nothing else.
"""
