"""What an IDR says: references to compare with, readings in words, strength, report and figure.

May import: `kdsr.estimation`, `kdsr.network` and what lies at the top of `kdsr`; nothing above.
"""
