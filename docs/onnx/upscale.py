"""Upscales a picture with two ONNX files: python upscale.py x photo.png large.png [strength]."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

name, source, target, *strength = sys.argv[1:]
estimator, network = (
    onnxruntime.InferenceSession(f"{name}.{part}.onnx") for part in ("estimator", "network")
)
facts = network.get_modelmeta().custom_metadata_map  # every value is a string
scale, halo = int(facts["scale"]), int(facts["halo"])
tile = 256  # LQ pixels without the overlap: any number gives the same picture

pixels = np.asarray(Image.open(source).convert("RGB"), np.float32) / 255
lq = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def tiles(halo: int):
    """Windows of the picture, where their own part begins in them, and where in the picture."""
    for y in range(0, lq.shape[2], tile):
        for x in range(0, lq.shape[3], tile):
            top, left = max(0, y - halo), max(0, x - halo)
            window = lq[:, :, top : y + tile + halo, left : x + tile + halo]
            yield window, y - top, x - left, y, x


def seen_windows(halo: int, cell: int, windows: int, budget: int):
    """What the estimator looks at, and what of it counts: all, or of a large one a few cells."""
    if lq.shape[2] * lq.shape[3] <= budget:
        yield lq, np.ones_like(lq[:, :1])
        return
    for i in range(windows):
        where, counts = [], []
        places = (i * 0.6180339887498949 + 0.5) % 1, (i + 0.5) / windows
        for length, place in zip(lq.shape[2:], places, strict=True):
            size, own = min(length, cell + 2 * halo), min(length, cell)
            first, inner = round(place * (length - size)), (size - own) // 2
            where.append(slice(first, first + size))
            counts.append(slice(inner, inner + own))
        window = lq[:, :, where[0], where[1]]
        weights = np.zeros_like(window[:, :1])
        weights[:, :, counts[0], counts[1]] = 1
        yield window, weights


seen = idr = np.zeros(estimator.get_inputs()[2].shape, np.float32)
told = estimator.get_modelmeta().custom_metadata_map
for window, weights in seen_windows(*(int(told[k]) for k in ("halo", "cell", "windows", "budget"))):
    inputs = {"lq": window, "weights": weights, "before": seen}
    idr, seen = map(np.asarray, estimator.run(["idr", "seen"], inputs))
if strength:
    clean = np.float32(json.loads(facts["clean_idr"]))
    idr = clean + np.float32(strength[0]) * (idr - clean)

sr = np.empty((scale * lq.shape[2], scale * lq.shape[3], 3), np.uint8)
side = scale * tile
for window, top, left, y, x in tiles(halo):
    (part,) = map(np.asarray, network.run(["sr"], {"lq": window, "idr": idr}))
    part = part[0].transpose(1, 2, 0)
    part = part[scale * top : scale * top + side, scale * left : scale * left + side]
    sr[scale * y : scale * y + side, scale * x : scale * x + side] = (255 * part.clip(0, 1)).round()
Image.fromarray(sr).save(target)
