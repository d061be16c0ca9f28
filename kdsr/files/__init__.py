"""Everything on disk or on the Hub: weights, the catalog of named models, images.

May import: `kdsr.model` and everything below it; never `kdsr.cli`.
"""
