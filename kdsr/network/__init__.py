"""The networks that are trained, saved and run, without the handling of large images.

Contents: configuration, layers, estimator, SR network, tail, the baked network, calibration.
May import: `kdsr.errors`, `kdsr.atomic`, `kdsr.options`, `kdsr.idr`; no other folder.
"""
