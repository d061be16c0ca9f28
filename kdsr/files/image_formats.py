"""File formats that are read and written, by suffix."""

READ_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif")
WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
WRITE_FORMATS = ("png", "jpg", "webp", "tif")
LONGEST_SIDES = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
"""Pixels a side that a format's library writes at most; JPEG itself would go to 65,535."""
