"""What each stage trains and on which losses; the loop is the same for all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from train.losses.contrast import contrast_loss
from train.losses.grid import grid_loss
from train.losses.haarpsi import haarpsi_loss
from train.losses.terms import colour_loss, kd_l1_loss, kd_loss, l1_loss, shifted
from train.losses.unsharp import unsharp
from train.recipes.stages import StageOptions

Forward = Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass
class Batch:
    """What a step is made of.

    Attributes:
        lq: (B, 3, H, W) in [0, 1].
        gt: (B, 3, sH, sW) in [0, 1].
        step: Counted from 0.
        sr: What the model made of it in this step, without gradients; for the parts that follow.
        target: What `idr_full` is distilled towards, (B, 4C), in stages that distil.
        taught: What a larger model made of `lq`, (B, 3, sH, sW), where there is one.
    """

    lq: Tensor
    gt: Tensor
    step: int
    sr: Tensor | None = None
    target: Tensor | None = None
    taught: Tensor | None = None


class Stage(ABC):
    """A model to train and its losses.

    Attributes:
        name: "teacher", "student", "control" or "gan".
        model: What is trained, averaged and exported.
        options: Weights of the losses.
        composed: Whether the tail is composed inside the graph.
        teacher: The frozen teacher, where there is one.
    """

    def __init__(
        self,
        name: str,
        model: KDSR | KDSRTeacher,
        options: StageOptions,
        *,
        composed: bool,
        teacher: KDSRTeacher | None = None,
    ) -> None:
        self.name, self.model, self.options, self.composed = name, model, options, composed
        self.teacher = teacher.eval().requires_grad_(False) if teacher is not None else None

    @property
    def distils(self) -> bool:
        """Whether batches need a `target`."""
        return self.teacher is not None and self.options.distils

    def parts(self) -> dict[str, nn.Module]:
        """What has an optimiser, in the order of their turns in a step; "model" comes first."""
        return {"model": self.model}

    def to(self, device: torch.device) -> None:
        """Moves everything there, trained or not."""
        for module in (*self.parts().values(), self.teacher):
            if module is not None:
                module.to(device)

    def rests(self, part: str, losses: Mapping[str, Tensor]) -> bool:
        """Whether a part leaves out its turn in a step.

        Args:
            part: Whose turn it would be.
            losses: Of the turns before, over all processes.
        """
        del part, losses
        return False

    @abstractmethod
    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """Weighted losses of a part on a batch, to be summed.

        Args:
            part: Whose turn it is.
            forward: All parts as the loop has wrapped them.
            batch: Images.
        """

    @abstractmethod
    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """SR of a batch by `model` (the averaged weights, say), for previews and validation."""

    @abstractmethod
    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """The distilled vectors (B, 4C) of a batch by `model`."""

    @torch.no_grad()
    def teacher_idr_full(self, lq: Tensor, gt: Tensor) -> Tensor:
        """What `idr_full` is distilled towards, (B, 4C): a `Batch`'s `target`."""
        assert self.teacher is not None
        return self.teacher.estimate_pair(lq, gt)[1]

    @torch.no_grad()
    def pictures(self, model: nn.Module, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Images to look at, by name."""
        pictures = {"teacher": self.teacher(lq, gt)[0]} if self.teacher is not None else {}
        return {**pictures, self.name: self.upscale(model, lq, gt)}


class TeacherStage(Stage):
    """Stage 1: estimator and network together, on L1 alone; the estimator sees the GT."""

    def __init__(self, config: KDSRConfig, options: StageOptions, *, composed: bool) -> None:
        super().__init__("teacher", KDSRTeacher(config), options, composed=composed)

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """L1."""
        sr, _, _ = forward[part](batch.lq, batch.gt, compose_tail=self.composed)
        return {"l1": self.options.l1_weight * l1_loss(sr, batch.gt)}

    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """SR with the IDR of the (LQ, GT) pair."""
        return model(lq, gt)[0]

    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """The IDR of the pair."""
        assert isinstance(model, KDSRTeacher)
        return model.estimate_pair(lq, gt)[1]


class StudentStage(Stage):
    """Stage 2: the student on L1, its `idr_full` distilled from the frozen teacher's.

    Args:
        config: Of both networks.
        options: Weights of the losses; without distillation this is the control.
        composed: See `Stage`.
        teacher: To distil from; None trains on L1 alone.
        name: "student", or "control" for the one that is trained without distillation.
    """

    def __init__(
        self,
        config: KDSRConfig,
        options: StageOptions,
        *,
        composed: bool,
        teacher: KDSRTeacher | None,
        name: str = "student",
    ) -> None:
        super().__init__(name, KDSR(config), options, composed=composed, teacher=teacher)

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """What compares images, and distillation; in the first `kd_only` steps the latter alone."""
        del part
        sr, idr_full = self._run(forward, batch)
        # A zero weight rather than no term: every parameter takes part in every step, which
        # training on several devices relies on, and Adam leaves what has no gradient alone.
        share = 1.0 if batch.step >= self.options.kd_only else 0.0
        compared = self._compare(sr, batch, self._wanted(batch))
        losses = {name: share * loss for name, loss in compared.items()}
        return losses | self._distil(idr_full, batch)

    def _target(self, batch: Batch) -> Tensor:
        """What can be learnt at this step: the GT, or between a larger model's picture and it."""
        if batch.taught is None:
            return batch.gt
        return batch.gt.lerp(batch.taught, self.options.taught_share(batch.step))

    def _wanted(self, batch: Batch) -> Tensor:
        """What an image should look like: the target, sharpened if that is asked for."""
        options, target = self.options, self._target(batch)
        return (
            unsharp(target, options.sharpen, options.sharpen_radius) if options.sharpen else target
        )

    def _compare(self, sr: Tensor, batch: Batch, wanted: Tensor) -> dict[str, Tensor]:
        """What sets two images against each other without a network.

        Colours, and what may come again with every LQ pixel, are those of the GT; the rest is that
        of the target, which is the GT where no larger model teaches.
        """
        gt, target = batch.gt, self._target(batch)
        losses = {"l1": self.options.l1_weight * l1_loss(sr, wanted)}
        if self.options.colour_weight > 0:
            colour = colour_loss(sr, gt, self.model.config.scale)
            losses["colour"] = self.options.colour_weight * colour
        if self.options.haarpsi_weight > 0:
            # HaarPSI halves images: which pixels lie together changes, or a grid would grow.
            ours, true = (shifted(images, batch.step, 2) for images in (sr, target))
            losses["haarpsi"] = self.options.haarpsi_weight * haarpsi_loss(ours, true)
        if self.options.contrast_weight > 0:
            losses["contrast"] = self.options.contrast_weight * contrast_loss(sr, target)
        if self.options.grid_weight > 0:
            grid = grid_loss(sr, gt, self.model.config.scale, step=batch.step)
            losses["grid"] = self.options.grid_weight * grid
        return losses

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
        """SR from the LQ image alone."""
        del gt
        return model(lq)[0]

    def idr_full(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """The IDR of the LQ image alone."""
        del gt
        assert isinstance(model, KDSR)
        return model.estimator(lq)[1]


def copy_fitting(source: nn.Module, target: nn.Module) -> tuple[list[str], list[str]]:
    """Copies every tensor whose name and shape fit.

    Deviation: the official student starts from the teacher's SR network only, because the
    estimators' keys differ there; here the estimator's layers come along too, all but the first.

    Returns:
        The keys that were copied, and those that were not.
    """
    source_state, target_state = source.state_dict(), target.state_dict()
    copied = [
        key
        for key, tensor in target_state.items()
        if key in source_state and source_state[key].shape == tensor.shape
    ]
    target.load_state_dict({**target_state, **{key: source_state[key] for key in copied}})
    return copied, [key for key in target_state if key not in copied]
