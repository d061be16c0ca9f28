#!/usr/bin/env bash
# imagehash gives different 16-bit scans one and the same hash, by which tools for data sets throw them away as copies: Pillow turns 16 bits to 8 by clipping at 255, so that nearly every pixel is white.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile pillow==13.0.0 imagehash==4.3.2 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import sys
import numpy as np, PIL, imagehash
from PIL import Image

y, x = np.mgrid[:96, :128] / 96
scenes = [np.sin(3 * x) * y, np.cos(9 * x + 4 * y), (x - 0.6) ** 2 + (y - 0.5) ** 2, np.sin(20 * y) + x]
print("Pillow", PIL.__version__, "imagehash", imagehash.__version__)
print("a good guess: the four scenes have four hashes, at 16 bits the same ones as at 8")
right = True
for name in ("average_hash", "phash", "dhash", "whash"):
    kinds = {}
    for bits, dtype in ((8, np.uint8), (16, np.uint16)):
        found = set()
        for scene in scenes:
            level = 0.1 + 0.8 * (scene - scene.min()) / np.ptp(scene)
            Image.fromarray((level * (2**bits - 1)).astype(dtype)).save("a.png")
            with Image.open("a.png") as image:
                found.add(str(getattr(imagehash, name)(image)))
        kinds[bits] = len(found)
    print(f"{name}: {kinds[8]} hashes of four scenes at 8 bits, {kinds[16]} at 16 bits")
    right &= kinds == {8: 4, 16: 1}
sys.exit(not right)
PY
