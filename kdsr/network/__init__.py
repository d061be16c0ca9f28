"""The networks: what is trained, saved and run, and nothing about images that do not fit in memory.

Lives here: configuration, layers, estimator, SR network, tail, the baked network, calibration.
May import: `kdsr.errors`, `kdsr.atomic`, `kdsr.options`, `kdsr.idr`; no other folder.
"""
