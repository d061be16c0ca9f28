#!/usr/bin/env bash
# PyTorch on CPUs: pooling and `interpolate(mode="area")` add up the pixels of a cell one by one in float32, so that large cells come out too bright or too dark. `mean` does not.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import torch
import torch.nn.functional as F

side = 8192
print("PyTorch", torch.__version__)
print(f"a flat grey image of {side} px is averaged over its four quarters")
print("a good guess: the level stays to a millionth, as adaptive pooling to 1x1 does")
right = True
for level in (0.1, 0.3):
    image = torch.full((1, 1, side, side), level)
    found = {
        "interpolate(size=(2, 2), mode='area')": F.interpolate(image, size=(2, 2), mode="area"),
        "adaptive_avg_pool2d(2)": F.adaptive_avg_pool2d(image, 2),
        "avg_pool2d(4096)": F.avg_pool2d(image, side // 2),
        "adaptive_avg_pool2d(1)": F.adaptive_avg_pool2d(image, 1),
        "mean()": image.mean(),
    }
    for name, value in found.items():
        error = (value.double() / level - 1).abs().max().item()
        print(f"level {level}, {name}: {value.flatten()[0]:.4f}, off by {error:.1%}")
        right &= error < 1e-5 if name in ("adaptive_avg_pool2d(1)", "mean()") else error > 0.01
sys.exit(not right)
PY
