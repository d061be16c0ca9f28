"""What a run can be told: the options, the recipes (YAML) that set them, and how both are read.

May import: `train.data`, `train.degradation`, `train.errors` and `kdsr`.
"""
