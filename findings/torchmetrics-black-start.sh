#!/usr/bin/env bash
# torchmetrics: a MetricCollection whose first batch is restored perfectly (the black frames at a film's start) reports one metric's value for two: SSIM and MS-SSIM, or SSIM with two windows. It takes metrics for one where their sums agree after the first batch, and updates only one of them from then on.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/pip" install -q --no-compile torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import torch, torchmetrics
from torchmetrics import MetricCollection
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure, StructuralSimilarityIndexMeasure

def metrics():
    return {
        "MS-SSIM": MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0),
        "SSIM": StructuralSimilarityIndexMeasure(data_range=1.0),
        "SSIM, square window": StructuralSimilarityIndexMeasure(data_range=1.0, gaussian_kernel=False, kernel_size=7),
    }

generator = torch.Generator().manual_seed(0)
black = torch.zeros(1, 3, 192, 192)
film = []
for _ in range(3):
    frame = torch.rand(black.shape, generator=generator)
    film.append(((frame + 0.2 * torch.randn(frame.shape, generator=generator)).clamp(0, 1), frame))

def values(pairs, collections):
    for pair in pairs:
        for collection in collections:
            collection.update(*pair)
    return {name: value.item() for collection in collections for name, value in collection.compute().items()}

print("torchmetrics", torchmetrics.__version__, "PyTorch", torch.__version__)
print("a good guess: each metric has the value that it has alone, whatever comes first")
right = True
beginnings = {"no black": film, "black last": [*film, (black, black)], "black first": [(black, black), *film]}
for name, pairs in beginnings.items():
    alone = values(pairs, [MetricCollection({key: metric}) for key, metric in metrics().items()])
    apart = values(pairs, [MetricCollection(metrics(), compute_groups=False)])
    together = values(pairs, [MetricCollection(metrics())])
    for key in alone:
        print(f"{name}, {key}: alone {alone[key]:.4f}, in a collection {together[key]:.4f}")
    right &= apart == alone
    if name == "black first":
        right &= len(set(together.values())) == 1 and len({round(value, 3) for value in alone.values()}) == 3
    else:
        right &= together == alone
sys.exit(not right)
PY
