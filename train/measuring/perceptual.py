"""Perceptual measures, from the user's weights files and from the optional package piq."""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kdsr.pixels import on_grid
from train.losses.dists import load_dists
from train.losses.lpips import load_lpips
from train.losses.perceptual import load_perceptual

PIQ = ("haarpsi", "mdsi", "dss", "vsi", "gmsd")
"""Measures of piq: Reisenhofer et al. 2018, Nafchi et al. 2016, Balanov et al. 2015, Zhang et al.
2014, Xue et al. 2013."""
Measure = Callable[[Tensor, Tensor], float]
"""Maps SR and GT, RGB (1, 3, H, W) in [0, 1], to a number."""


def perceptual_measures(
    weights: Path | None,
    device: torch.device,
    lpips: Sequence[Path] = (),
    dists: Sequence[Path] = (),
) -> dict[str, Measure]:
    """Collects the available perceptual measures.

    Args:
        weights: Weights of the perceptual loss (see `load_perceptual`), for the distance
            `squeezenet`, `vgg16` or `vgg19`; or None.
        device: Device of the images.
        lpips: Files of network and heads, one pair or two: AlexNet gives `lpips`, as in papers,
            VGG16 gives `lpips_vgg`.
        dists: Files of VGG16 and the DISTS weights, or nothing.

    Returns:
        Measures by name; with piq also HaarPSI, MDSI, DSS, VSI and GMSD, which need no weights.
        Equal images give 1 for HaarPSI, DSS and VSI, and 0 for all others, which are distances.
    """
    found: dict[str, Measure] = {}
    if weights is not None:
        features = load_perceptual(weights).to(device)
        name = features.network.split()[0].lower()
        found[name] = lambda sr, gt: features(sr.clamp(0, 1), gt).item()
    for files in (lpips[:2], lpips[2:]):
        if files:
            distance = load_lpips(*files).to(device)
            name = "lpips" if distance.network == "AlexNet" else "lpips_vgg"
            found[name] = _as_8_bits(distance)
    if dists:
        found["dists"] = _as_8_bits(load_dists(*dists).to(device))
    if importlib.util.find_spec("piq") is not None:
        piq = importlib.import_module("piq")
        for name in PIQ:
            found[name] = _by_piq(getattr(piq, name))
    return found


def _as_8_bits(distance: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    """Makes a measure that rounds images to 8 bit first, as in files."""

    @torch.no_grad()
    def measure(sr: Tensor, gt: Tensor) -> float:
        images = (on_grid(x.float()) for x in (sr, gt))
        return distance(*images).mean().item()

    return measure


def _by_piq(function: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    return lambda sr, gt: function(sr.clamp(0, 1), gt.clamp(0, 1)).item()
