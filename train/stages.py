"""What each stage trains and on which losses; the loop is the same for all."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from train.losses import kd_loss, l1_loss
from train.metrics import spread

Forward = Callable[..., tuple[Tensor, Tensor, Tensor]]


class Stage(ABC):
    """A model to train and its losses.

    Attributes:
        name: "teacher" or "student".
        model: What is trained.
        composed: Whether the tail is composed inside the graph.
    """

    name = ""
    model: KDSR | KDSRTeacher
    composed: bool

    @abstractmethod
    def losses(self, forward: Forward, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Weighted losses of a batch, to be summed.

        Args:
            forward: The model as the loop has wrapped it.
            lq: (B, 3, H, W) in [0, 1].
            gt: (B, 3, sH, sW) in [0, 1].
        """

    @abstractmethod
    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """SR of a batch by `model` (the averaged weights, say), for previews and validation."""

    @torch.no_grad()
    def describe(self, lq: Tensor, gt: Tensor) -> dict[str, float]:
        """Numbers to log now and then, beside the losses."""
        del lq, gt
        return {}


class TeacherStage(Stage):
    """Stage 1: estimator and network together, on L1 alone; the estimator sees the GT."""

    name = "teacher"

    def __init__(self, config: KDSRConfig, *, composed: bool) -> None:
        self.model = KDSRTeacher(config)
        self.composed = composed

    def losses(self, forward: Forward, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """L1."""
        sr, _, _ = forward(lq, gt, compose_tail=self.composed)
        return {"l1": l1_loss(sr, gt)}

    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """SR with the IDR of the (LQ, GT) pair."""
        return model(lq, gt)[0]

    @torch.no_grad()
    def describe(self, lq: Tensor, gt: Tensor) -> dict[str, float]:
        """How much `idr_full` varies over a batch; near 0 the IDR is dead."""
        return {"idr_spread": spread(self.model.estimate_pair(lq, gt)[1])}  # pyright: ignore[reportCallIssue]


class StudentStage(Stage):
    """Stage 2: the student on L1, its `idr_full` distilled from the frozen teacher's.

    Args:
        config: Of both networks.
        teacher: Frozen; None trains on L1 alone, as a control.
        kd_weight: Weight of the distillation loss.
        composed: See `Stage`.
    """

    name = "student"

    def __init__(
        self, config: KDSRConfig, teacher: KDSRTeacher | None, kd_weight: float, *, composed: bool
    ) -> None:
        self.model = KDSR(config)
        self.teacher = teacher.eval().requires_grad_(False) if teacher is not None else None
        self.kd_weight = kd_weight if teacher is not None else 0.0
        self.composed = composed

    def losses(self, forward: Forward, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """L1 and, where there is a teacher, the distillation loss."""
        sr, _, idr_full = forward(lq, compose_tail=self.composed)
        losses = {"l1": l1_loss(sr, gt)}
        if self.teacher is not None and self.kd_weight > 0:
            with torch.no_grad():
                target = self.teacher.estimate_pair(lq, gt)[1]
            losses["kd"] = self.kd_weight * kd_loss(idr_full, target)
        return losses

    def upscale(self, model: nn.Module, lq: Tensor, gt: Tensor) -> Tensor:
        """SR from the LQ image alone."""
        del gt
        return model(lq)[0]

    @torch.no_grad()
    def describe(self, lq: Tensor, gt: Tensor) -> dict[str, float]:
        """Spread of the student's `idr_full` and its cosine to the teacher's."""
        assert isinstance(self.model, KDSR)
        idr_full = self.model.estimator(lq)[1].float()
        numbers = {"idr_spread": spread(idr_full)}
        if self.teacher is not None:
            target = self.teacher.estimate_pair(lq, gt)[1].float()
            numbers["idr_cosine"] = F.cosine_similarity(idr_full, target).mean().item()
        return numbers


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
