#!/usr/bin/env bash
# Pillow opens BigTIFFs in Intel byte order (II) and refuses those in Motorola byte order (MM).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==12.0.0 tifffile==2025.5.10 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import sys
import numpy as np, PIL, tifffile
from PIL import Image, UnidentifiedImageError

print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
print("a good guess:  all four open, as Pillow lists both prefixes of BigTIFF")
found = []
for big in (False, True):
    for order in "<>":
        pixels = np.zeros((8, 8, 3), np.uint8)
        tifffile.imwrite("a.tif", pixels, photometric="rgb", byteorder=order, bigtiff=big)
        assert (tifffile.imread("a.tif") == pixels).all()
        try:
            found.append(Image.open("a.tif").size == (8, 8))
        except UnidentifiedImageError:
            found.append(False)
print("what happens: ", dict(zip(("TIFF II", "TIFF MM", "BigTIFF II", "BigTIFF MM"), found)))
sys.exit(found != [True, True, True, False])
PY
