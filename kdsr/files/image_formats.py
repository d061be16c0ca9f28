"""File formats that are read and written, by suffix."""

READ_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
WRITE_FORMATS = ("png", "jpg", "webp", "tif")
