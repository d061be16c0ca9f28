"""Photographs -> crops and degraded pairs: files, cache, drawn patterns, what is wrong with them.

May import: `train.degradation`, `train.errors` and `kdsr`.
"""
