"""What is told about a finished model: its card, the Hub's files, the open index of upscalers.

Everything follows from the weights file. Imports the library only.
"""
