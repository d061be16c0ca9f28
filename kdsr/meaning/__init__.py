"""Interprets IDRs: references, readings in words, strength, report and figure.

May import: `kdsr.estimation`, `kdsr.network` and the files at the top of `kdsr`; nothing else.
"""
