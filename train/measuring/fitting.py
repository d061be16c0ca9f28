"""Fits directions and a small regressor to a model's `idr_full`, for its calibration."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsr.network.architecture import LEAK

_HIDDEN, _STEPS, _RATE = 64, 4000, 3e-3
_COMPONENTS = 16  # number of principal directions that describe the range


def fit_discriminants(groups: Tensor) -> Tensor:
    """Fits Fisher's linear discriminants to groups of vectors.

    Along each direction, the mean standard deviation within a group is 1.

    Args:
        groups: Vectors of N groups, (N, count, 4C).

    Returns:
        At most N - 1 directions, (A, 4C).
    """
    means = groups.mean(1)
    inner = (groups - means[:, None]).flatten(0, 1).double()
    covariance = inner.T @ inner / len(inner)
    size = len(covariance)
    covariance += 0.01 * covariance.diagonal().mean() * torch.eye(size, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    whiten = vectors / values.sqrt()  # columns
    _, _, directions = torch.linalg.svd((means - means.mean(0)).double() @ whiten)
    return (directions[: min(len(groups) - 1, size)] @ whiten.T).float()


def fit_whitening(standard: Tensor) -> Tensor:
    """Principal directions of vectors (B, 4C), scaled to unit variance: (K, 4C), strong first."""
    count = min(_COMPONENTS, standard.shape[1], len(standard) - 1)
    _, strengths, directions = torch.linalg.svd(standard - standard.mean(0), full_matrices=False)
    deviations = strengths[:count] / (len(standard) - 1) ** 0.5
    return directions[:count] / deviations.clamp(min=1e-6)[:, None]


def fit_regressor(x: Tensor, truth: Tensor, seed: int) -> dict[str, Tensor]:
    """Fits a two-layer network that predicts quantities and their errors, by Laplace likelihood.

    Args:
        x: Standardised vectors, (B, 4C).
        truth: True degradations, (B, 4); see `train.measuring.labelled.targets`.
        seed: Seed of the initial weights and the batches.

    Returns:
        Weights and biases, named as in `Calibration`.
    """
    generator = torch.Generator().manual_seed(seed)
    size = x.shape[1]
    w1 = torch.randn(_HIDDEN, size, generator=generator) * (2 / size) ** 0.5
    w2 = torch.randn(9, _HIDDEN, generator=generator) * 0.1
    weights = [w1, torch.zeros(_HIDDEN), w2, torch.zeros(9)]
    unit = _deviations(truth)
    weights[3][:4] = _averages(truth)
    weights[3][4:8] = unit.log()
    for tensor in weights:
        tensor.requires_grad_()
    optimizer = torch.optim.AdamW(weights, _RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for _ in range(_STEPS):
        rows = torch.randint(len(x), (256,), generator=generator)
        loss = _likelihood(_run(weights, x[rows]), truth[rows], unit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    names = ("hidden_weight", "hidden_bias", "out_weight", "out_bias")
    return {name: tensor.detach() for name, tensor in zip(names, weights, strict=True)}


def _run(weights: list[Tensor], x: Tensor) -> Tensor:
    w1, b1, w2, b2 = weights
    return F.leaky_relu(x @ w1.T + b1, LEAK) @ w2.T + b2


def _likelihood(out: Tensor, truth: Tensor, unit: Tensor) -> Tensor:
    known = known_targets(truth)
    error = (out[:, :4] - truth).abs() / unit
    log_scale = (out[:, 4:8] - unit.log()).clamp(-4, 1)
    laplace = error * (-log_scale).exp() + log_scale
    # Absolute errors are added, as a likelihood alone neglects hard samples.
    quantities = ((laplace + error) * known).sum() / known.sum()
    compressed = (truth[:, 3] > 0).float()
    return quantities + F.binary_cross_entropy_with_logits(out[:, 8], compressed)


def known_targets(truth: Tensor) -> Tensor:
    """Mask (B, 4) of defined targets: uncompressed images have no JPEG quality."""
    known = torch.ones_like(truth)
    known[:, 3] = (truth[:, 3] > 0).float()
    return known


def _averages(truth: Tensor) -> Tensor:
    known = known_targets(truth)
    return (truth * known).sum(0) / known.sum(0)


def _deviations(truth: Tensor) -> Tensor:
    known = known_targets(truth)
    return (((truth - _averages(truth)) ** 2 * known).sum(0) / known.sum(0)).sqrt()
