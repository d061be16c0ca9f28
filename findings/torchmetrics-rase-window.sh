#!/usr/bin/env bash
# torchmetrics: RASE, a relative error in percent, comes out 64 times too large, and four times as large again for each doubling of its window: the mean of the target is divided by the window's area twice.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/pip" install -q --no-compile torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import torch, torchmetrics
import torch.nn.functional as F
from torchmetrics.functional.image import relative_average_spectral_error as rase
from torchmetrics.functional.image import root_mean_squared_error_using_sliding_window as sliding

generator = torch.Generator().manual_seed(0)
dots = torch.rand(1, 3, 48, 48, generator=generator)
true = F.interpolate(dots, size=(192, 192), mode="bicubic").clamp(0.05, 1)
result = true + 0.04 * torch.randn(true.shape, generator=generator)

# The definition: the root mean square of the bands' errors, in percent of the mean level.
errors = (result - true).square().mean(dim=(0, 2, 3))
whole = (100 / true.mean() * errors.mean().sqrt()).item()
print("torchmetrics", torchmetrics.__version__, "PyTorch", torch.__version__)
print(f"noise of 0.04 on a mean level of {true.mean():.3f}: RASE over the whole picture is {whole:.2f} %")
print(f"a good guess: about {whole:.1f} for every window, as the sliding RMSE stays near 0.04")
right = True
for window in (2, 4, 8, 16, 32):
    value, rmse = rase(result, true, window).item(), sliding(result, true, window).item()
    print(f"window {window}: RASE {value:.1f}, {value / whole:.1f} times as much; sliding RMSE {rmse:.4f}")
    right &= abs(value / whole / window**2 - 1) < 0.1 and abs(rmse / 0.04 - 1) < 0.1
sys.exit(not right)
PY
