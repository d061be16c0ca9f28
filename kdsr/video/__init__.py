"""Video in, video out, one frame at a time: decoding, two passes over the frames, encoding.

May import: every folder of `kdsr` but `files` and `cli`. PyAV is imported on first use only.
"""
