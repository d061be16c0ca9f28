#!/usr/bin/env bash
# Pillow swaps the bytes of a compressed TIFF in Motorola byte order (MM) once too often where its values are floats, 32-bit or signed integers: an elevation or depth map comes out as tiny numbers and NaN, without an error.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile pillow==13.0.0 tifffile==2025.5.10 imagecodecs==2025.3.30 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import sys
import numpy as np, PIL, tifffile
from PIL import Image

depth = np.linspace(0, 1000, 64 * 64).reshape(64, 64)
print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
print("a good guess: byte order and compression change nothing; unsigned 16 bits, the usual case, are right")
wrong = set()
for kind in ("uint16", "int16", "int32", "float32"):
    values = depth.astype(kind)
    for order in "<>":
        for packing in (None, "zlib", "lzw"):
            tifffile.imwrite("a.tif", values, photometric="minisblack", byteorder=order, compression=packing)
            assert np.array_equal(tifffile.imread("a.tif"), values)
            with Image.open("a.tif") as image:
                read = np.asarray(image)
            if not np.array_equal(read, values):
                wrong.add((kind, order, packing))
                print(f"{kind}, {'MM' if order == '>' else 'II'}, {packing}: {values[0, 9]} is read as {read[0, 9]}")
print("all others are right:", 24 - len(wrong))
sys.exit(wrong != {(kind, ">", packing) for kind in ("int16", "int32", "float32") for packing in ("zlib", "lzw")})
PY
