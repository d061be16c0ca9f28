"""The two networks with their estimators: the student and the teacher it is distilled from."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import IDRError
from .calibration import CALIBRATE, Calibration
from .config import KDSRConfig
from .estimator import DegradationEstimator
from .sr_network import SRNetwork
from .tail import ComposedTail, compose_exactly

if TYPE_CHECKING:
    from typing_extensions import Self


def fingerprint(model: nn.Module) -> str:
    """Hashes all weights, in float32 and in name order, to 16 hexadecimal digits.

    Two models with the same fingerprint give every image the same IDR. The hash is taken over
    values, not over a file, so that converting a file keeps it.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Base(nn.Module):
    """What student and teacher share: an estimator, a network and where they came from."""

    role = ""

    def __init__(self, config: KDSRConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        self.metadata: dict[str, str] = {}
        """String metadata of the file the weights came from."""
        self.source: Path | None = None
        """The file the weights came from."""
        self.calibration: Calibration | None = None
        """What its IDRs mean; see `kdsr.references` and `kdsr.read`."""
        self.estimator = DegradationEstimator(in_channels, config.n_feats, config.n_resblocks)
        self.network = SRNetwork(config)


class Student(Base):
    """The student: its estimator sees the LQ image alone. `kdsr.KDSR` adds the algorithms.

    Args:
        config: The network's shape. Weights are random until loaded; see `kdsr.load`.
    """

    role = "student"

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__(config, in_channels=3)
        self._fingerprint: str | None = None
        self._composed_tail: ComposedTail | None = None

    def freeze(self, fingerprint_of: "Student | None" = None) -> "Self":
        """Declares the weights final: no gradients, and what follows from them is kept.

        Loaded models are frozen. Without it the fingerprint and the composed tail are computed at
        each use, which is right for a model in training.

        Args:
            fingerprint_of: A model whose IDRs are this one's, too, with its fingerprint.
        """
        self.eval().requires_grad_(False)
        self._fingerprint = fingerprint_of.fingerprint if fingerprint_of else fingerprint(self)
        self._composed_tail = compose_exactly(self.network.tail)
        return self

    @property
    def fingerprint(self) -> str:
        """Hash of the weights; an IDR belongs to one fingerprint."""
        return self._fingerprint or fingerprint(self)

    def composed_tail(self) -> ComposedTail:
        """The tail as one convolution, composed in float64."""
        return self._composed_tail or compose_exactly(self.network.tail)

    def forward(
        self, lq: Tensor, idr: Tensor | None = None, *, compose_tail: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The official computation in one pass, for training and as the reference.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            idr: (B, C) or (1, C); estimated from `lq` when left out.
            compose_tail: See `SRNetwork.forward`.

        Returns:
            SR (B, 3, sH, sW), idr (B, C) and idr_full (B, 4C); idr_full is empty (B, 0) when an
            `idr` was given.
        """
        if idr is None:
            idr, idr_full = self.estimator(lq)
        else:
            idr_full = idr.new_empty(idr.shape[0], 0)
        assert idr is not None
        return self.network(lq, idr, compose_tail=compose_tail), idr, idr_full


class Teacher(Base):
    """The teacher: its estimator also sees the ground truth. For training only.

    Args:
        config: The network's shape.
    """

    role = "teacher"

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__(config, in_channels=3 + 3 * config.scale**2)

    def estimate_pair(self, lq: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        """IDRs of (LQ, GT) pairs: idr (B, C) and idr_full (B, 4C).

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            gt: RGB in [0, 1], (B, 3, sH, sW).
        """
        s = self.config.scale
        phases = rearrange(gt, "b c (h row) (w column) -> b (c row column) h w", row=s, column=s)
        return self.estimator(torch.cat((lq, phases), dim=1))

    def forward(
        self, lq: Tensor, gt: Tensor, *, compose_tail: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns SR (B, 3, sH, sW), idr (B, C) and idr_full (B, 4C) for (LQ, GT) pairs."""
        idr, idr_full = self.estimate_pair(lq, gt)
        return self.network(lq, idr, compose_tail=compose_tail), idr, idr_full


def calibration_of(model: Student) -> Calibration:
    """A model's calibration.

    Raises:
        IDRError: If its file has none.
    """
    if model.calibration is None:
        name = model.metadata.get("name") or str(model.source or "this model")
        raise IDRError(
            f"{name} has no calibration, so nothing is known about what its IDRs mean; {CALIBRATE}"
        )
    return model.calibration
