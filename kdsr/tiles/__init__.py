"""Images larger than memory: where tiles lie, what each reads, and what to do when memory runs out.

Lives here: pure layout arithmetic, tile windows, free memory, precision of a device.
May import: `kdsr.network` and what lies at the top of `kdsr`; nothing else.
"""
