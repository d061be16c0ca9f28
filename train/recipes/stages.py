"""Options of one training stage, and the names of the validation measures."""

from dataclasses import dataclass
from typing import Literal

from train.degradation.checks import outside

_HIGHER_IS_BETTER = ("psnr_y", "haarpsi")
_LOWER_IS_BETTER = ("l1", "mdsi", "squeezenet", "vgg19", "vgg16", "lpips", "dists", "grid")
MEASURES = (*_HIGHER_IS_BETTER, *_LOWER_IS_BETTER)
"""Names of the validation measures. On the set `held_out`, for example, `psnr_y_held_out`."""


def is_number(name: str) -> bool:
    """Whether a name is a measure, or a measure of one set, such as `psnr_y_Set5`."""
    return any(name == measure or name.startswith(f"{measure}_") for measure in MEASURES)


def higher_is_better(name: str) -> bool:
    """Whether larger values of a measure are better."""
    return name.startswith(_HIGHER_IS_BETTER)


_WEIGHTS = (
    "l1", "kd", "kd_l1", "perceptual", "lpips", "dists", "gan", "colour", "haarpsi", "contrast",
    "grid", "consistency", "edge",
)  # fmt: skip


@dataclass(frozen=True)
class StageOptions:
    """Options of one training stage."""

    steps: int = 10_000
    """Optimiser steps."""
    optimizer: Literal["adam", "muon"] = "adam"
    """`muon` orthogonalises the update of every kernel. It learns more per step, and takes a few
    per cent longer."""
    lr: float = 1e-3
    """Peak learning rate, the same for Adam and Muon."""
    estimator_lr: float = 0.2
    """The estimator's share of the learning rate. At high rates its output is noise, which the
    network learns to ignore. 0 freezes the estimator: every image gets the same IDR as from the
    starting model, and IDR files serve both."""
    final_lr: float = 1e-6
    """Learning rate at the end of the cosine schedule."""
    warmup: int = 500
    """Steps of linear warm-up."""
    l1_weight: float = 1.0
    """Weight of the mean absolute error."""
    kd_weight: float = 0.0
    """Weight of the distillation loss (student, gan); the control trains without it."""
    kd_l1_weight: float = 0.0
    """Weight of a second distillation loss: the mean absolute difference of the vectors, relative
    to the teacher's mean magnitude (student, gan). The KL divergence ignores constant offsets."""
    kd_only: int = 0
    """Number of first steps that train the student's estimator alone, on the distillation loss."""
    perceptual_weight: float = 0.0
    """Weight of the perceptual loss (gan)."""
    perceptual_share: float = 1.0
    """Share of a step's samples that perceptual loss, LPIPS and DISTS use (gan). VGG16 on all
    samples takes twice the time of size b itself."""
    lpips_weight: float = 0.0
    """Weight of LPIPS by the first network of `lpips` (gan), for a short last stage."""
    dists_weight: float = 0.0
    """Weight of DISTS (gan), for a short last stage."""
    gan_weight: float = 0.0
    """Weight of the adversarial loss (gan); 0 trains without a discriminator."""
    gan_real: Literal["gt", "teacher"] = "gt"
    """Images that the discriminator takes for real (gan): the GT, or `teacher_images`, which a
    small network can come closer to."""
    colour_weight: float = 0.0
    """Weight of the colour loss (student, control, gan). It prevents shifts of mean colours and
    faint grids. Perceptual and adversarial losses allow both, as does L1 on heavily degraded
    images."""
    haarpsi_weight: float = 0.0
    """Weight of 1 - HaarPSI (student, control, gan). Edges become cleaner and as strong as in the
    GT, and PSNR hardly falls. With an adversarial loss it suppresses ringing."""
    contrast_weight: float = 0.0
    """Weight of the local contrast loss (student, control, gan). Detail stays as strong as in the
    GT, where L1 would smooth it away. Use 0.3 with L1; 1 adds texture to flat areas unless
    `grid_weight` is set, too."""
    grid_weight: float = 0.0
    """Weight of the loss on patterns that repeat with every LQ pixel along lines (student,
    control, gan). With an adversarial loss, 25 prevents beaded edges."""
    edge_weight: float = 0.0
    """Weight of the edge loss (student, control, gan): the share of the gradient that runs along
    the edges of the GT. Straight edges get straighter, whatever their sharpness."""
    consistency_weight: float = 0.0
    """Weight of the consistency loss (student, control, gan): how far Gaussian noise, added to the
    input, moves the result. Films then flicker less."""
    teacher_start: float = 1.0
    """Share of `teacher_images` in the target at the first step (student, control, gan); the rest
    is the GT. See `gan_real` for the discriminator."""
    teacher_end: float = 0.0
    """Share of `teacher_images` in the target from `teacher_until` on."""
    teacher_until: float = 0.75
    """Share of the stage's steps over which `teacher_start` moves to `teacher_end`; 0 for
    `teacher_end` at once."""
    sharpen: float = 0.0
    """Amount of an unsharp mask on the targets of L1 and the perceptual loss (student, control,
    gan). Edges become crisper than with L1 alone. Real-ESRGAN uses 0.5."""
    sharpen_radius: float = 8.0
    """Radius of the unsharp mask: standard deviation of its blur in GT pixels. Real-ESRGAN uses 8;
    smaller values give thinner, stronger edges."""
    shift: int = 0
    """Limit in pixels of a shift that changes with every step, applied to the inputs of
    discriminator and perceptual loss (gan): a power of two. Use 16 with SqueezeNet or
    `unshuffled`, whose strides otherwise leave a grid; 0, as published, for no shift."""
    shrink: int = 1
    """Factor by which the inputs of discriminator and perceptual loss are shrunk (gan). 2 costs a
    quarter, and rewards no detail of single pixels, which a small network can only invent. 1 is as
    published."""
    adaptive_d: float = 0.0
    """Limit of the student's unweighted adversarial loss above which the discriminator skips its
    step (gan). A guessing discriminator gives 0.69. One far ahead gives 1.5, and its gradients are
    then noise. 0 for no limit."""
    discriminator_lr: float = 1.0
    """The discriminator's learning rate relative to the student's (gan); 1 is as published."""

    @property
    def distils(self) -> bool:
        """Whether the student learns from a teacher's vectors."""
        return self.kd_weight > 0 or self.kd_l1_weight > 0

    def taught_share(self, step: int) -> float:
        """Share of the larger model's picture in the target at a step, 0 to 1."""
        there = (
            min(1.0, step / (self.teacher_until * self.steps)) if self.teacher_until > 0 else 1.0
        )
        return self.teacher_start + there * (self.teacher_end - self.teacher_start)

    def problems(self, stage: str) -> list[str]:
        """Problems of these options, one sentence each."""
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
