"""Describes a finished model: model card, files for the Hugging Face Hub, entry for OpenModelDB.

All facts come from the weights file. May import: `kdsr` alone.
"""
