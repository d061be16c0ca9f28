#!/usr/bin/env bash
# piq's SR-SIM of a picture depends on the other pictures of its batch: it scales the saliency maps by the smallest and largest value of the whole batch, though each map is of one picture.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0
"$folder/venv/bin/pip" install -q --no-compile --no-deps piq==0.8.0 numpy==2.2.6 pillow==13.0.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from unittest.mock import MagicMock

sys.modules["torchvision"] = sys.modules["torchvision.models"] = MagicMock()  # gigabytes, for pretrained networks alone
import torch, torch.nn.functional as F
import piq

generator = torch.Generator().manual_seed(0)
def clouds(size):
    """A picture of soft spots, from 0 to 1."""
    dots = torch.rand(1, 3, size, size, generator=generator)
    return F.interpolate(dots, size=(192, 192), mode="bicubic").clamp(0, 1)

true = clouds(48)
result = (true + 0.05 * torch.randn(true.shape, generator=generator)).clamp(0, 1)
mates = {"flat grey": torch.full_like(true, 0.5), "soft": clouds(12), "a dark one": 0.1 * clouds(48)}
metrics = {"SR-SIM": piq.srsim, "VSI": piq.vsi, "FSIM": piq.fsim, "HaarPSI": piq.haarpsi, "SSIM": piq.ssim}
print("piq", piq.__version__, "PyTorch", torch.__version__)
print("a good guess: with reduction='none', each picture has the value that it has alone")
moved = {}
for name, metric in metrics.items():
    alone = metric(result, true, reduction="none")[0].item()
    beside = {}
    for mate, picture in mates.items():
        pair = metric(torch.cat([result, picture]), torch.cat([true, picture]), reduction="none")
        beside[mate] = pair[0].item()
    moved[name] = max(abs(value - alone) for value in beside.values())
    print(f"{name}: alone {alone:.4f};", ", ".join(f"beside {mate} {value:.4f}" for mate, value in beside.items()))
sys.exit(not (moved.pop("SR-SIM") > 0.01 and max(moved.values()) < 1e-4))
PY
