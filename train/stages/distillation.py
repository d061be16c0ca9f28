"""Models and losses of the teacher and student stages; all stages share one loop."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdsr import KDSR, KDSRTeacher
from train.losses.contrast import contrast_loss
from train.losses.edges import edge_loss
from train.losses.grid import grid_loss
from train.losses.haarpsi import haarpsi_loss
from train.losses.terms import colour_loss, kd_l1_loss, kd_loss, l1_loss, noisier, shifted
from train.losses.unsharp import unsharp
from train.recipes.stages import StageOptions

Forward = Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass
class Batch:
    """The data of a training step.

    Attributes:
        lq: LQ images, (B, 3, H, W) in [0, 1].
        gt: Ground truths, (B, 3, sH, sW) in [0, 1].
        step: Number of the step, from 0.
        sr: The model's result in this step, without gradients, for the discriminator's turn.
        target: The teacher's `idr_full`, (B, 4C); None in stages without distillation.
        taught: A larger model's results for `lq`, (B, 3, sH, sW), or None.
    """

    lq: Tensor
    gt: Tensor
    step: int
    sr: Tensor | None = None
    target: Tensor | None = None
    taught: Tensor | None = None


@dataclass(eq=False)
class Stage(ABC):
    """A model in training, and its losses."""

    name: str
    """"teacher", "student", "control" or "gan"."""
    model: KDSR | KDSRTeacher
    """The model that is trained, averaged and exported."""
    options: StageOptions
    """Options of the stage, such as the weights of the losses."""
    composed: bool = True
    """Whether the tail is composed inside the graph."""
    teacher: KDSRTeacher | None = None
    """The teacher to distil from, which is frozen; None for no distillation."""

    def __post_init__(self) -> None:
        if self.teacher is not None:
            self.teacher.eval().requires_grad_(False)

    @property
    def distils(self) -> bool:
        """Whether batches need a `target`."""
        return self.teacher is not None and self.options.distils

    def parts(self) -> dict[str, nn.Module]:
        """Modules with an optimiser, in the order of their turns in a step, "model" first."""
        return {"model": self.model}

    def to(self, device: torch.device) -> None:
        """Moves all modules to a device."""
        for module in (*self.parts().values(), self.teacher):
            if module is not None:
                module.to(device)

    def rests(self, part: str, losses: Mapping[str, Tensor]) -> bool:
        """Whether a part skips its turn in a step.

        Args:
            part: Name of the part.
            losses: Losses of the previous turns, averaged over all processes.
        """
        del part, losses
        return False

    @abstractmethod
    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """Computes the weighted losses of a part on a batch; the loop sums them.

        Args:
            part: Name of the part.
            forward: All parts, as wrapped by the loop.
            batch: Data of the step.
        """

    @abstractmethod
    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Upscales LQ images by `model`, such as the averaged weights, for validation."""

    @abstractmethod
    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Estimates `idr_full` (B, 4C) by `model`."""

    @torch.no_grad()
    def teacher_idr_full(self, lq: Tensor, gt: Tensor) -> Tensor:
        """The teacher's `idr_full` (B, 4C), the `target` of a `Batch`."""
        assert self.teacher is not None
        return self.teacher.estimate_pair(lq, gt)[1]

    @torch.no_grad()
    def pictures(self, model: nn.Module, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Preview pictures by name."""
        pictures = {"teacher": self.teacher(lq, gt)[0]} if self.teacher is not None else {}
        return {**pictures, self.name: self.upscale(model, lq, gt)}


class TeacherStage(Stage):
    """Stage 1: trains estimator and network on L1 alone; the estimator sees the GT, too."""

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """Computes L1."""
        sr, _, _ = forward[part](batch.lq, batch.gt, compose_tail=self.composed)
        return {"l1": self.options.l1_weight * l1_loss(sr, batch.gt)}

    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Upscales with the IDR of the (LQ, GT) pair."""
        return model(lq, gt)[0]

    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Estimates `idr_full` of the (LQ, GT) pair."""
        assert isinstance(model, KDSRTeacher)
        return model.estimate_pair(lq, gt)[1]


class StudentStage(Stage):
    """Stage 2: trains the student on image losses and distils the frozen teacher's `idr_full`.

    Without a teacher it is the control.
    """

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """Computes image and distillation losses; in the first `kd_only` steps the latter alone."""
        del part
        sr, idr_full = self._run(forward, batch)
        # A zero weight instead of no term: every parameter then takes part in every step, as
        # training on several devices requires.
        share = 1.0 if batch.step >= self.options.kd_only else 0.0
        compared = self._compare(sr, batch, self._wanted(batch))
        compared |= self._consist(sr, forward, batch)
        losses = {name: share * loss for name, loss in compared.items()}
        return losses | self._distil(idr_full, batch)

    def _target(self, batch: Batch) -> Tensor:
        """The target images: the GT, or its mix with a larger model's pictures."""
        if batch.taught is None:
            return batch.gt
        return batch.gt.lerp(batch.taught, self.options.taught_share(batch.step))

    def _wanted(self, batch: Batch) -> Tensor:
        """The target of L1 and the perceptual loss, sharpened if the options say so."""
        options, target = self.options, self._target(batch)
        return (
            unsharp(target, options.sharpen, options.sharpen_radius) if options.sharpen else target
        )

    def _compare(self, sr: Tensor, batch: Batch, wanted: Tensor) -> dict[str, Tensor]:
        """Computes the image losses that need no network.

        The colour, grid and edge losses compare with the GT, the others with the target.
        """
        gt, target = batch.gt, self._target(batch)
        losses = {"l1": self.options.l1_weight * l1_loss(sr, wanted)}
        if self.options.colour_weight > 0:
            colour = colour_loss(sr, gt, self.model.config.scale)
            losses["colour"] = self.options.colour_weight * colour
        if self.options.haarpsi_weight > 0:
            # HaarPSI halves images; a changing shift prevents a grid with that period.
            ours, true = (shifted(images, batch.step, 2) for images in (sr, target))
            losses["haarpsi"] = self.options.haarpsi_weight * haarpsi_loss(ours, true)
        if self.options.contrast_weight > 0:
            losses["contrast"] = self.options.contrast_weight * contrast_loss(sr, target)
        if self.options.grid_weight > 0:
            grid = grid_loss(sr, gt, self.model.config.scale, step=batch.step)
            losses["grid"] = self.options.grid_weight * grid
        if self.options.edge_weight > 0:
            losses["edge"] = self.options.edge_weight * edge_loss(sr, gt)
        return losses

    def _consist(
        self, sr: Tensor, forward: Mapping[str, Forward], batch: Batch
    ) -> dict[str, Tensor]:
        """Computes the consistency loss on a quarter of the samples.

        The result without additional noise is the target and gets no gradient: it would lose its
        detail to come nearer to the other.
        """
        weight = self.options.consistency_weight
        if weight == 0:
            return {}
        some = slice(math.ceil(len(sr) / 4))
        noisy = noisier(batch.lq[some], batch.step)
        other, _, _ = forward["model"](noisy, compose_tail=self.composed)
        return {"consistency": weight * l1_loss(other, sr[some].detach().float())}

    def _run(self, forward: Mapping[str, Forward], batch: Batch) -> tuple[Tensor, Tensor]:
        sr, _, idr_full = forward["model"](batch.lq, compose_tail=self.composed)
        return sr, idr_full

    def _distil(self, idr_full: Tensor, batch: Batch) -> dict[str, Tensor]:
        if not self.distils:
            return {}
        assert batch.target is not None
        losses = {"kd": self.options.kd_weight * kd_loss(idr_full, batch.target)}
        if self.options.kd_l1_weight:
            losses["kd_l1"] = self.options.kd_l1_weight * kd_l1_loss(idr_full, batch.target)
        return losses

    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Upscales from the LQ image alone."""
        del gt
        return model(lq)[0]

    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """Estimates `idr_full` from the LQ image alone."""
        del gt
        assert isinstance(model, KDSR)
        return model.estimator(lq)[1]


def copy_fitting(source: nn.Module, target: nn.Module) -> tuple[list[str], list[str]]:
    """Copies every tensor whose name and shape fit.

    Deviation: the official student starts with the teacher's SR network only, because the
    estimators' keys differ there. Here it also gets all layers of the estimator but the first.

    Returns:
        The copied keys, and the other keys of `target`.
    """
    source_state, target_state = source.state_dict(), target.state_dict()
    copied = [
        key
        for key, tensor in target_state.items()
        if key in source_state and source_state[key].shape == tensor.shape
    ]
    target.load_state_dict({**target_state, **{key: source_state[key] for key in copied}})
    return copied, [key for key in target_state if key not in copied]
