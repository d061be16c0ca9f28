"""Learning rates and optimisers (Adam and Muon) of a stage."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsr import KDSR, KDSRTeacher
from train.recipes.stages import StageOptions

_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
_LIKE_ADAM = 0.2
"""Root mean square of an update per learning rate, so that Adam's rates fit (Moonshot, 2025)."""
_LEAST = 4
"""Fewest rows and columns of an orthogonalised matrix, which excludes the last kernel's 3 rows."""


class Muon(torch.optim.Adam):
    """Muon for kernels and matrices, Adam for all other parameters.

    Muon moves a matrix by its orthogonalised Nesterov momentum (Jordan et al., "Muon: An optimizer
    for hidden layers in neural networks", 2024). A kernel counts as a matrix with a row per output
    channel. PyTorch's own Muon handles only matrices, one after the other. Here matrices of one
    shape are orthogonalised together, in a few per cent of a training step of size s on a CPU.

    The arguments are those of Adam.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Moves kernels and matrices, then all other parameters by Adam."""
        directions: dict[tuple[Any, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None or not is_matrix(parameter):
                    continue
                direction = self._direction(parameter, parameter.grad)
                directions[(*direction.shape, group["lr"])].append((parameter, direction))
                parameter.grad = None  # Adam skips parameters without a gradient
        for (rows, columns, rate), members in directions.items():
            moves = orthogonalised(torch.stack([direction for _, direction in members]))
            size = rate * _LIKE_ADAM * math.sqrt(max(rows, columns))
            for (parameter, _), move in zip(members, moves, strict=True):
                parameter.sub_(move.view_as(parameter), alpha=size)
        return super().step(closure)

    def _direction(self, parameter: nn.Parameter, gradient: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            # Adam's loading code expects a step count in every state.
            state.update(step=torch.zeros(()), momentum=torch.zeros_like(parameter))
        state["step"] += 1
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        return gradient.add(momentum, alpha=_MOMENTUM).flatten(1)


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon, and not Adam, moves a parameter."""
    return parameter.ndim > 1 and min(parameter.shape[0], parameter[0].numel()) >= _LEAST


def orthogonalised(matrices: Tensor) -> Tensor:
    """Brings all singular values of matrices near 1, by Newton-Schulz iteration.

    Args:
        matrices: Matrices (N, R, C).
    """
    a, b, c = _QUINTIC
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    # Every iterate is a polynomial of x x' times x, so iterating the small square suffices.
    square = torch.bmm(x, x.mT)
    identity = torch.eye(square.shape[1], device=x.device).expand_as(square)
    product = identity
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c).add_(identity, alpha=a)
        product = torch.bmm(factor, product)
        square = torch.bmm(factor, torch.bmm(square, factor))
    x = torch.bmm(product, x)
    return x if wide else x.mT


@dataclass(frozen=True)
class TrainedPart:
    """One module of a stage with its optimiser."""

    module: nn.Module
    optimizer: torch.optim.Optimizer

    @property
    def learned(self) -> list[nn.Parameter]:
        """Parameters of the module that are not frozen."""
        groups = self.optimizer.param_groups
        return [p for group in groups if group["share"] > 0 for p in group["params"]]


def learning_rate(step: int, options: StageOptions) -> float:
    """The learning rate at a step: linear warm-up, then a cosine to the final rate."""
    if step < options.warmup:
        return options.lr * (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return options.final_lr + (options.lr - options.final_lr) * cosine


def build_optimizer(
    module: nn.Module, options: StageOptions, device: torch.device
) -> torch.optim.Optimizer:
    """Makes the optimiser of a module: Adam, or Muon for KDSR networks if the options say so.

    The estimator has its own group, which a share of 0 freezes. Every module other than a KDSR
    network is a discriminator.
    """
    kind = torch.optim.Adam
    groups = [{"params": list(module.parameters()), "share": options.discriminator_lr}]
    if isinstance(module, KDSR | KDSRTeacher):
        kind = Muon if options.optimizer == "muon" else kind
        module.estimator.requires_grad_(options.estimator_lr > 0)
        groups = [
            {"params": list(module.estimator.parameters()), "share": options.estimator_lr},
            {"params": list(module.network.parameters()), "share": 1.0},
        ]
    fused = device.type in ("cpu", "cuda")
    return kind(groups, lr=options.lr, betas=(0.9, 0.99), fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, step: int, options: StageOptions) -> None:
    """Sets the learning rate of each group to its share of the step's rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["share"] * learning_rate(step, options)


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Loads the moments of an optimiser; rates and shares still come from the options."""
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
