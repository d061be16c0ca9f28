"""How fast a stage learns: rates, optimisers and what they remember."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kdsr import KDSR, KDSRTeacher
from train.loop.muon import Muon
from train.recipes.stages import StageOptions


@dataclass(frozen=True)
class TrainedPart:
    """One module of a stage with its optimiser."""

    module: nn.Module
    optimizer: torch.optim.Optimizer

    @property
    def learned(self) -> list[nn.Parameter]:
        """Its parameters, without those that are frozen."""
        groups = self.optimizer.param_groups
        return [p for group in groups if group["share"] > 0 for p in group["params"]]


def learning_rate(step: int, options: StageOptions) -> float:
    """Linear warm-up, then a cosine to the final rate. A function of the step: nothing to save."""
    if step < options.warmup:
        return options.lr * (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return options.final_lr + (options.lr - options.final_lr) * cosine


def build_optimizer(
    module: nn.Module, options: StageOptions, device: torch.device
) -> torch.optim.Optimizer:
    """Adam, or Muon for our networks if that is asked for.

    An estimator has a group of its own, which a share of 0 freezes. What is no network of ours is
    a discriminator.
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
    """Gives each group its share of the step's rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["share"] * learning_rate(step, options)


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Loads what an optimiser remembers; rates and shares come from the options."""
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
