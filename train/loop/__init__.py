"""The one loop that all stages share: steps, checkpoints, logs, validation, export.

May import: everything in `train` but the commands.
"""
