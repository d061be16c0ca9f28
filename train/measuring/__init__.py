"""How good a model is and what its IDRs mean: metrics, protocols, pairs, LPIPS, fitting.

May import: `train.recipes` and everything below it; not the loop.
"""
