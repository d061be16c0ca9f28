"""Many files on many machines, by Ray. What is done with a file is the caller's affair.

Import what you need from its module.
"""
