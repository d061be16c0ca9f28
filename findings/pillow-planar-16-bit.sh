#!/usr/bin/env bash
# Pillow reads an RGB TIFF of 16 bits whose channels lie apart (planar) as noise if it is not compressed; the same pixels, compressed, are right.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile pillow==13.0.0 tifffile==2025.5.10 imagecodecs==2025.3.30 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import sys
import numpy as np, PIL, tifffile
from PIL import Image

# A picture of smooth ramps, whose levels 8 bits hold exactly: Pillow has no RGB of 16 bits.
y, x = np.mgrid[:64, :256]
small = np.stack([x, 4 * y, (x + 4 * y) // 2], -1).astype(np.uint8)
print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
print("a good guess: all are the same picture, as tifffile reads it")
found = {}
for planar in ("contig", "separate"):
    for bits, pixels in ((8, small), (16, small.astype(np.uint16) * 257)):
        stored = pixels if planar == "contig" else np.ascontiguousarray(pixels.transpose(2, 0, 1))
        for packing in (None, "zlib"):
            tifffile.imwrite("a.tif", stored, photometric="rgb", planarconfig=planar, compression=packing)
            assert np.array_equal(tifffile.imread("a.tif"), stored)
            with Image.open("a.tif") as image:
                found[planar, bits, packing] = np.asarray(image)
            off = (found[planar, bits, packing] != small).any(-1).mean()
            print(f"{planar}, {bits} bits, {packing or 'not compressed'}: {off:.1%} of the pixels are wrong")
wrong = {key for key, image in found.items() if not np.array_equal(image, small)}
sys.exit(wrong != {("separate", 16, None)})
PY
