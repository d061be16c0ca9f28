#!/usr/bin/env bash
# PyTorch on CPUs: GroupNorm of a large channels_last tensor is wrong, even in float32: its kernel takes the variance as mean(x^2) - mean(x)^2 from plain float32 sums. The contiguous kernel is right.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

def errors(side, dtype):
    """Largest error of each layout for 64 bright, quiet channels (0.9 to 0.92), and the largest true value."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 64, side, side, generator=generator) * 0.02 + 0.9).to(dtype)
    groups = x.double().view(8, -1)
    spread = (groups.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    true = ((groups - groups.mean(1, keepdim=True)) / spread).view(x.shape)
    found = {name: F.group_norm(x.contiguous(memory_format=layout), 8) for name, layout in layouts.items()}
    return {name: (y.double() - true).abs().max().item() for name, y in found.items()}, true.abs().max().item()

print("PyTorch", torch.__version__)
print("a good guess: the layout costs or saves time; both results are as exact as their dtype")
right = True
for side, dtype, limit in ((64, torch.float32, 0.01), (512, torch.float32, 1), (512, torch.bfloat16, 1)):
    error, largest = errors(side, dtype)
    shown = ", ".join(f"{name} is off by {value:.2g}" for name, value in error.items())
    print(f"{side} px, {dtype}: {shown}, of values up to {largest:.2f}")
    right &= error["contiguous"] < 0.005 and error["channels_last"] > limit
sys.exit(not right)
PY
