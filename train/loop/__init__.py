"""The training loop of all stages: steps, checkpoints, logs, validation, export.

May import: everything in `train` but the commands.
"""
