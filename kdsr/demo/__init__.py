"""A page that runs KDSR in the browser: what it consists of, and a server for it.

May import: `kdsr.exports` and everything below it.
"""
