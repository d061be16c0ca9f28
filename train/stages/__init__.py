"""The training stages teacher, student, control and gan: models, losses and starting weights.

May import: `train.measuring` and everything below it; not the loop.
"""
