"""Video in, video out, one frame at a time: decoding, two passes over the frames, encoding.

May import: everything in `kdsr` but `cli` and the cluster. PyAV is imported on first use only.
"""
