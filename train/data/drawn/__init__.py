"""What no photograph shows, drawn by code: pages, figures, dots. `train.data.patterns` chooses.

A drawing is a function of a picture and a random generator that returns a picture of the same size;
what it chooses, it chooses by that generator alone. May import: nothing of `train`.
"""
