"""Options of a training run, the recipes (YAML) that set them, and the parser for both.

May import: `train.data`, `train.degradation`, `train.errors` and `kdsr`.
"""
