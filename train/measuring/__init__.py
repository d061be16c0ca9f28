"""Measures models: metrics, test protocols, pairs, perceptual distances and IDR calibration.

May import: `train.recipes` and everything below it; not the loop.
"""
