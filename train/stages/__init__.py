"""Teacher, student, control and gan: what each trains, on which losses, from which weights.

May import: `train.measuring` and everything below it; not the loop.
"""
