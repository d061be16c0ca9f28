"""Image and IDR -> image: tile by tile, blended from regions, at any output size.

May import: `kdsr.estimation`, `kdsr.tiles`, `kdsr.network` and what lies at the top of `kdsr`.
"""
