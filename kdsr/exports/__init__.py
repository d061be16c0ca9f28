"""Networks as files for other programs: ONNX, and `torch.export`'s .pt2.

May import: `kdsr.meaning` and everything below it; never `kdsr.files` or `kdsr.cli`.
"""
