"""Drawings made by code: pages, figures, dots. `train.data.patterns` chooses among them.

A drawing is a function that takes a picture and a random generator, and returns a picture of the
same size. All its choices come from the generator. May import: nothing of `train`.
"""
