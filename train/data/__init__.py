"""Training data: image files, decoded caches, crops, degraded pairs, drawn patterns and checks.

May import: `train.degradation`, `train.errors` and `kdsr`.
"""
