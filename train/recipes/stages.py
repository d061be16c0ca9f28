"""Options of one stage of the distillation, and the numbers that a validation gives."""

import math
from dataclasses import dataclass
from typing import Any, Literal

_HIGHER_IS_BETTER = ("psnr_y", "haarpsi")
_LOWER_IS_BETTER = ("l1", "mdsi", "squeezenet", "vgg19", "vgg16", "lpips", "dists", "grid")
MEASURES = (*_HIGHER_IS_BETTER, *_LOWER_IS_BETTER)
"""Each is measured on every set: `psnr_y_held_out`, say, is of the set `held_out`."""


def is_number(name: str) -> bool:
    """Whether a name is that of a measure, or of a measure on some set."""
    return any(name == measure or name.startswith(f"{measure}_") for measure in MEASURES)


def higher_is_better(name: str) -> bool:
    """Whether a number should rise."""
    return name.startswith(_HIGHER_IS_BETTER)


_WEIGHTS = (
    "l1", "kd", "kd_l1", "perceptual", "lpips", "dists", "gan", "colour", "haarpsi", "contrast",
    "grid",
)  # fmt: skip


@dataclass(frozen=True)
class StageOptions:
    """One stage of the distillation."""

    steps: int = 10_000
    """Optimiser steps."""
    optimizer: Literal["adam", "muon"] = "adam"
    """muon orthogonalises the update of every kernel: more learnt a step, for a few per cent of its
    time."""
    lr: float = 1e-3
    """Peak learning rate; of Adam and Muon alike."""
    estimator_lr: float = 0.2
    """The estimator's share of the learning rate. At high rates its vector is noise to the network,
    which then learns to ignore it. 0 freezes it: IDRs then mean what they meant to the model that
    the stage starts from, and their files serve both."""
    final_lr: float = 1e-6
    """Learning rate at the end of the cosine."""
    warmup: int = 500
    """Steps of linear warm-up."""
    l1_weight: float = 1.0
    """Weight of the mean absolute error."""
    kd_weight: float = 0.0
    """Weight of the distillation loss (student and gan); the control is trained without it."""
    kd_l1_weight: float = 0.0
    """Weight of the mean absolute difference of the vectors, as a part of the teacher's mean
    magnitude, beside that (student and gan): the KL divergence does not see a constant offset."""
    kd_only: int = 0
    """First steps in which the student's estimator alone is trained, on the distillation loss."""
    perceptual_weight: float = 0.0
    """Weight of the perceptual loss (gan)."""
    perceptual_share: float = 1.0
    """Share of a step's samples that the perceptual network, LPIPS and DISTS look at (gan): VGG16
    on all of them takes twice the time of size b itself."""
    lpips_weight: float = 0.0
    """Weight of LPIPS by the first network of `lpips` (gan): for a short last stage."""
    dists_weight: float = 0.0
    """Weight of DISTS (gan): for a short last stage."""
    gan_weight: float = 0.0
    """Weight of the adversarial loss (gan); without it there is no discriminator."""
    colour_weight: float = 0.0
    """Weight of the colour loss (student, control, gan): keeps mean colours where they are and
    grids out, which the perceptual and the adversarial loss do not, nor L1 on badly treated
    images."""
    haarpsi_weight: float = 0.0
    """Weight of 1 - HaarPSI (student, control, gan): edges come out cleaner and as strong as those
    of the GT, at hardly any cost in PSNR; beside an adversarial loss it keeps rings away."""
    contrast_weight: float = 0.0
    """Weight of the loss on local contrast (student, control, gan): detail is left as strong as the
    GT has it, where L1 smooths it away. 0.3 beside L1; 1 gives flat areas a texture unless
    `grid_weight` is there, too."""
    grid_weight: float = 0.0
    """Weight of the loss on patterns that come again with every LQ pixel along lines (student,
    control, gan): beside an adversarial loss, 25 keeps edges from being made of beads."""
    teacher_start: float = 1.0
    """Share of the larger model's picture in what a stage compares with at its first step, where
    there are `teacher_images` (student, control, gan); the rest is the GT. The discriminator always
    sees the GT as real."""
    teacher_end: float = 0.0
    """The share of `teacher_images` from `teacher_until` on."""
    teacher_until: float = 0.75
    """Part of the stage over which it goes from the one to the other; 0 for the latter at once."""
    sharpen: float = 0.0
    """Amount of the unsharp mask on what L1 and the perceptual loss compare with (student, control,
    gan): edges come out crisper than L1 alone leaves them. Real-ESRGAN takes 0.5."""
    sharpen_radius: float = 8.0
    """Its radius: standard deviation of the blur in pixels of the GT. Real-ESRGAN's is 8; a smaller
    one gives thinner, stronger edges."""
    shift: int = 0
    """Pixels up to which both move an image before they look at it, otherwise in every step (gan):
    a power of two, 16 with SqueezeNet or `unshuffled`, whose strides leave a grid else; 0 for as
    published."""
    shrink: int = 1
    """How much smaller both see images (gan): at 2 for a quarter of the work, and nobody asks for
    detail of single pixels, which a small network can only invent; 1 for as published."""
    adaptive_d: float = 0.0
    """The discriminator rests in steps in which the student's adversarial loss, without its weight,
    is above this (gan): 0.69 is that of a coin, 1.5 that of a discriminator which is far ahead, and
    what it teaches then is noise. 0: it never rests."""
    discriminator_lr: float = 1.0
    """The discriminator's learning rate beside the student's (gan), 1 for as published."""

    @property
    def distils(self) -> bool:
        """Whether the student learns from a teacher's vectors."""
        return self.kd_weight > 0 or self.kd_l1_weight > 0

    def taught_share(self, step: int) -> float:
        """Share of the larger model's picture in what is compared with at a step."""
        there = (
            min(1.0, step / (self.teacher_until * self.steps)) if self.teacher_until > 0 else 1.0
        )
        return self.teacher_start + there * (self.teacher_end - self.teacher_start)

    def problems(self, stage: str) -> list[str]:
        """What is wrong with these options, in words."""
        weights = tuple(f"{name}_weight" for name in _WEIGHTS)
        shares = ("estimator_lr", "teacher_start", "teacher_end", "teacher_until")
        found = [
            *outside(self, (*weights, "kd_only", "warmup", "adaptive_d"), 0),
            *outside(self, (*shares, "perceptual_share"), 0, 1),
            *outside(self, ("sharpen",), 0, 4),
            *outside(self, ("sharpen_radius",), 0.3, 20),
            *outside(self, ("steps", "shrink"), 1),
        ]
        if self.shift < 0 or self.shift & (self.shift - 1):
            found.append(f"shift must be 0 or a power of two, got {self.shift}")
        if self.discriminator_lr <= 0:
            found.append(f"discriminator_lr must be more than 0, got {self.discriminator_lr}")
        if not 0 <= self.final_lr <= self.lr:
            found.append(f"final_lr must be 0 to lr, got {self.final_lr} and {self.lr}")
        return [f"{stage}.{problem}" for problem in found]


def outside(options: Any, names: tuple[str, ...], low: float, high: float = math.inf) -> list[str]:
    """Complaints about the named options that do not lie from `low` to `high`; None always may."""
    allowed = f"at least {low}" if high == math.inf else f"{low} to {high}"
    return [
        f"{name} must be {allowed}, got {value}"
        for name in names
        if (value := getattr(options, name)) is not None and not low <= value <= high
    ]
