"""Student and teacher with their estimators, and what a student's vectors mean, as measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import CheckpointError, IDRError
from ..pixels import is_finite
from .architecture import DegradationEstimator, KDSRConfig, SRNetwork
from .tail import ComposedTail, compose_exactly

if TYPE_CHECKING:
    from typing_extensions import Self


PREFIX = "calibration."
"""Tensors of a calibration begin with it, in a safetensors file."""
KEY = "calibration"
"""The metadata under this key names their rows."""
CLEAN = "clean"
"""The reference without degradation but for the downscaling."""
QUANTITIES = ("blur_long", "blur_short", "noise", "quality")
"""What is read off a vector: blur in px of the upscaled image, noise in 0-255, JPEG quality."""
CALIBRATE = (
    "make it with `python train/calibrate.py MODEL.safetensors --data PHOTOS` in a clone of the "
    "project (packages leave the folder train out)"
)
"""What to do where a model has none."""
_SHAPES: dict[str, tuple[str | int, ...]] = {
    "means": ("references", "size"),
    "centre": ("size",),
    "scale": ("size",),
    "axes": ("axes", "size"),
    "hidden_weight": ("hidden", "size"),
    "hidden_bias": ("hidden",),
    "out_weight": (9, "hidden"),
    "out_bias": (9,),
    "typical": (4,),
    "naive": (4,),
    "jpeg_accuracy": (1,),
    "whitening": ("whitened", "size"),
    "quantiles": (101,),
    "cell_distance": (1,),
}
"""Shapes of all tensors; a word stands for the same number wherever it occurs."""
_OPTIONAL = {"cell_distance"}  # measured after all others, see `train.measuring.usual`


@dataclass(frozen=True)
class Calibration:
    """Measured on photographs of known degradations; D' is `idr_full`, 4C values.

    Raises:
        CheckpointError: If names and tensors do not belong together, or numbers make no sense.
    """

    names: tuple[str, ...]
    """Names of the N references."""
    means: Tensor
    """(N, 4C): D' of each reference, averaged over photographs."""
    centre: Tensor
    """(4C,): mean of D' over the training degradations."""
    scale: Tensor
    """(4C,): standard deviation of D' over them."""
    axes: Tensor
    """(A, 4C): maps (D' - centre) / scale to where the references lie furthest apart, in units of
    the spread over photographs (linear discriminants, the strongest first)."""
    hidden_weight: Tensor
    """(H, 4C): first layer of the regressor, on (D' - centre) / scale."""
    hidden_bias: Tensor
    """(H,)."""
    out_weight: Tensor
    """(9, H): values of the four quantities, log errors of the same, log odds of JPEG."""
    out_bias: Tensor
    """(9,)."""
    typical: Tensor
    """(4,): mean absolute errors on photographs that were not fitted on."""
    naive: Tensor
    """(4,): mean absolute errors of the best constant guess."""
    jpeg_accuracy: Tensor
    """(1,): share of images of which it is told rightly whether they were compressed."""
    whitening: Tensor
    """(K, 4C): maps (D' - centre) / scale to numbers of unit variance over the training's range."""
    quantiles: Tensor
    """(101,): whitened distances from the centre that 0 to 100% of training images stay within."""
    cell_distance: Tensor | None = None
    """(1,): distance from the centre that 99.9% of cells of degraded photographs stay within; None
    where nobody measured it. See `kdsr.network.baked`."""

    def __post_init__(self) -> None:
        if not self.names or not all(isinstance(name, str) and name for name in self.names):
            raise CheckpointError("the calibration's references have no names")
        sizes = {
            "references": len(self.names),
            "size": self.centre.numel(),
            "axes": self.axes.shape[:1].numel(),
            "hidden": self.hidden_bias.numel(),
            "whitened": self.whitening.shape[:1].numel(),
        }
        for name, expected in _SHAPES.items():
            tensor: Tensor | None = getattr(self, name)
            if tensor is None and name in _OPTIONAL:
                continue
            assert tensor is not None
            wanted = tuple(sizes[n] if isinstance(n, str) else n for n in expected)
            if tensor.shape != wanted or 0 in wanted:
                raise CheckpointError(
                    f"the calibration's shapes do not belong together: {name} is "
                    f"{tuple(tensor.shape)}, expected {wanted}"
                )
            if not is_finite(tensor):
                raise CheckpointError(f"the calibration's {name} has NaN or infinite values")
        if sizes["axes"] < 2:
            raise CheckpointError("the calibration has one axis, where figures need two")
        if self.scale.min() <= 0 or self.quantiles[-1] <= 0 or (self.quantiles.diff() < 0).any():
            raise CheckpointError("the calibration's scale or quantiles are not those of anything")
        if self.cell_distance is not None and self.cell_distance <= 0:
            raise CheckpointError(
                f"expected a positive cell_distance, got {float(self.cell_distance):g}; measure it "
                "anew with `python train/calibrate.py MODEL --data PHOTOS --range_only`"
            )

    def tensors(self) -> dict[str, Tensor]:
        """What a safetensors file keeps, without `names`."""
        return {
            PREFIX + key: value.detach().float().contiguous()
            for key, value in vars(self).items()
            if key != "names" and value is not None
        }

    def metadata(self) -> dict[str, str]:
        """The rest."""
        return {KEY: json.dumps({"references": self.names})}

    @classmethod
    def from_file(
        cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], size: int
    ) -> "Calibration | None":
        """What a file holds, or None if it has no calibration.

        Args:
            tensors: Those whose names began with `PREFIX`, without it.
            metadata: The file's.
            size: 4C of the model.

        Raises:
            CheckpointError: If it is there in part, damaged, or another model's.
        """
        if not tensors:
            return None
        if tensors.keys() | _OPTIONAL != _SHAPES.keys():
            odd = ", ".join(sorted((tensors.keys() | _OPTIONAL) ^ _SHAPES.keys()))
            raise CheckpointError(f"the calibration is of another version ({odd}); {CALIBRATE}")
        try:
            names = json.loads(metadata[KEY])["references"]
        except (KeyError, TypeError, ValueError, RecursionError):
            names = None
        if not isinstance(names, list):
            raise CheckpointError("the calibration has no names in the metadata")
        found = cls(
            names=tuple(names), **{name: tensor.float() for name, tensor in tensors.items()}
        )
        if len(found.centre) != size:
            raise CheckpointError(
                f"the calibration is for vectors of {len(found.centre)} numbers, the model's have "
                f"{size}"
            )
        return found

    def standard(self, idr_full: Tensor) -> Tensor:
        """(B, 4C) -> (B, 4C): differences from the training's mean in standard deviations."""
        return (idr_full - self.centre) / self.scale

    def distance(self, idr_full: Tensor) -> Tensor:
        """Euclidean distance from the training's mean: (..., 4C) -> (...)."""
        return torch.linalg.vector_norm(idr_full - self.centre.to(idr_full), dim=-1)

    @property
    def clean(self) -> Tensor:
        """(4C,): the clean reference, or the training's mean where there is none."""
        return self.means[self.names.index(CLEAN)] if CLEAN in self.names else self.centre

    def place(self, idr_full: Tensor) -> Tensor:
        """Where figures show vectors: (B, 4C) -> (B, 2)."""
        return self.discriminants(idr_full)[:, :2]

    def discriminants(self, idr_full: Tensor) -> Tensor:
        """What tells degradations apart, whatever the photograph: (B, 4C) -> (B, A)."""
        return self.standard(idr_full) @ self.axes.T

    def percentile(self, idr_full: Tensor) -> Tensor:
        """Share of the training's images that are more usual, 0 to 1: (B, 4C) -> (B,).

        1 means further out than every one of them.
        """
        distance = (self.standard(idr_full) @ self.whitening.T).norm(dim=1)
        return torch.searchsorted(self.quantiles, distance.contiguous()).clamp(max=100) / 100

    def excess(self, idr_full: Tensor) -> Tensor:
        """Distance from the centre over that of the last training image: (B, 4C) -> (B,)."""
        distance = (self.standard(idr_full) @ self.whitening.T).norm(dim=1)
        return distance / self.quantiles[-1]


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
