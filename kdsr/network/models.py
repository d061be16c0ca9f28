"""Student and teacher models, and the calibration of a student's IDRs."""

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
"""Prefix of a calibration's tensors in a safetensors file."""
KEY = "calibration"
"""Metadata key of the names of the references."""
CLEAN = "clean"
"""Name of the reference that is only downscaled."""
QUANTITIES = ("blur_long", "blur_short", "noise", "quality")
"""Quantities read from a vector: blur in px of the SR image, noise in 0-255, JPEG quality."""
CALIBRATE = (
    "make it with `python train/calibrate.py MODEL.safetensors --data PHOTOS` in a clone of the "
    "project (packages leave the folder train out)"
)
"""Remedy for models without a calibration."""
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
"""Shapes of all tensors; each word stands for one number."""
_OPTIONAL = {"cell_distance"}  # older files lack it, see `train.measuring.usual`


@dataclass(frozen=True)
class Calibration:
    """Statistics of a model's `idr_full` (4C values) on photographs with known degradations.

    Raises:
        CheckpointError: If names, shapes or values are inconsistent.
    """

    names: tuple[str, ...]
    """Names of the N references."""
    means: Tensor
    """Mean `idr_full` of each reference over photographs, (N, 4C)."""
    centre: Tensor
    """Mean of `idr_full` over the training degradations, (4C,)."""
    scale: Tensor
    """Standard deviation of `idr_full` over the training degradations, (4C,)."""
    axes: Tensor
    """Linear discriminants of the references, the strongest first, (A, 4C). They apply to
    (idr_full - centre) / scale; the unit is the spread over photographs."""
    hidden_weight: Tensor
    """First layer of the regressor, (H, 4C), on (idr_full - centre) / scale."""
    hidden_bias: Tensor
    """Biases of the first layer, (H,)."""
    out_weight: Tensor
    """Second layer, (9, H): four quantities, the logarithms of their errors, log odds of JPEG."""
    out_bias: Tensor
    """Biases of the second layer, (9,)."""
    typical: Tensor
    """Mean absolute errors on held-out photographs, (4,)."""
    naive: Tensor
    """Mean absolute errors of the best constant guess, (4,)."""
    jpeg_accuracy: Tensor
    """Accuracy of the decision whether an image is a JPEG, 0 to 1, (1,)."""
    whitening: Tensor
    """Maps (idr_full - centre) / scale to unit variance on the training data, (K, 4C)."""
    quantiles: Tensor
    """Whitened distances from the centre that contain 0, 1, ... 100% of training images, (101,)."""
    cell_distance: Tensor | None = None
    """Distance from the centre that contains 99.9% of the cells of degraded photographs, (1,); None
    if it was not measured. See `kdsr.network.baked`."""

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
        """The tensors for a safetensors file, by name."""
        return {
            PREFIX + key: value.detach().float().contiguous()
            for key, value in vars(self).items()
            if key != "names" and value is not None
        }

    def metadata(self) -> dict[str, str]:
        """The metadata for a safetensors file."""
        return {KEY: json.dumps({"references": self.names})}

    @classmethod
    def from_file(
        cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], size: int
    ) -> "Calibration | None":
        """Reads the calibration in a file; returns None if there is none.

        Args:
            tensors: Tensors whose names begin with `PREFIX`, by the rest of the name.
            metadata: Metadata of the file.
            size: Length 4C of the model's vectors.

        Raises:
            CheckpointError: If the calibration is incomplete, damaged or of another model.
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
        """Standardises vectors (B, 4C) by the mean and the standard deviation of the training."""
        return (idr_full - self.centre) / self.scale

    def distance(self, idr_full: Tensor) -> Tensor:
        """Euclidean distances from the training's mean: (..., 4C) -> (...)."""
        return torch.linalg.vector_norm(idr_full - self.centre.to(idr_full), dim=-1)

    @property
    def clean(self) -> Tensor:
        """The clean reference, (4C,); the training's mean if there is none."""
        return self.means[self.names.index(CLEAN)] if CLEAN in self.names else self.centre

    def place(self, idr_full: Tensor) -> Tensor:
        """Coordinates of vectors in figures: (B, 4C) -> (B, 2)."""
        return self.discriminants(idr_full)[:, :2]

    def discriminants(self, idr_full: Tensor) -> Tensor:
        """Coordinates along the discriminants, which ignore image content: (B, 4C) -> (B, A)."""
        return self.standard(idr_full) @ self.axes.T

    def percentile(self, idr_full: Tensor) -> Tensor:
        """Share of training images closer to the centre, 0 to 1: (B, 4C) -> (B,).

        1 means farther out than all training images.
        """
        distance = (self.standard(idr_full) @ self.whitening.T).norm(dim=1)
        return torch.searchsorted(self.quantiles, distance.contiguous()).clamp(max=100) / 100

    def excess(self, idr_full: Tensor) -> Tensor:
        """Distance relative to the farthest training image: (B, 4C) -> (B,)."""
        distance = (self.standard(idr_full) @ self.whitening.T).norm(dim=1)
        return distance / self.quantiles[-1]


def fingerprint(model: nn.Module) -> str:
    """Hashes all weights, in float32 and in name order, to 16 hexadecimal digits.

    The hash covers values and not files, so that converting a file keeps it.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Base(nn.Module):
    """Common base of student and teacher: an estimator, a network and their origin."""

    role = ""

    def __init__(self, config: KDSRConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        self.metadata: dict[str, str] = {}
        """Metadata of the weights file."""
        self.source: Path | None = None
        """Path of the weights file; None for random weights."""
        self.calibration: Calibration | None = None
        """Calibration of the IDRs; see `kdsr.references` and `kdsr.read`."""
        self.estimator = DegradationEstimator(in_channels, config.n_feats, config.n_resblocks)
        self.network = SRNetwork(config)


class Student(Base):
    """The student, whose estimator sees the LQ image alone; `kdsr.KDSR` adds the algorithms.

    Args:
        config: The network's shape. Weights are random until loaded; see `kdsr.load`.
    """

    role = "student"

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__(config, in_channels=3)
        self._fingerprint: str | None = None
        self._composed_tail: ComposedTail | None = None

    def freeze(self) -> "Self":
        """Marks the weights as final: removes gradients, and caches fingerprint and composed tail.

        Loaded models are frozen. A model in training is not, and computes both at each use.
        """
        self.eval().requires_grad_(False)
        self._fingerprint = fingerprint(self.estimator)
        self._composed_tail = compose_exactly(self.network.tail)
        return self

    @property
    def fingerprint(self) -> str:
        """Hash of the estimator's weights; an IDR belongs to one fingerprint.

        Models that share an estimator also share IDRs, readings and references.
        """
        return self._fingerprint or fingerprint(self.estimator)

    def weights_hash(self) -> str:
        """Hash of all weights; equal hashes give equal pictures. Computed at each call."""
        return fingerprint(self)

    def composed_tail(self) -> ComposedTail:
        """The tail as one convolution, composed in float64."""
        return self._composed_tail or compose_exactly(self.network.tail)

    def forward(
        self, lq: Tensor, idr: Tensor | None = None, *, compose_tail: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The official computation in one pass, for training and as the reference.

        Args:
            lq: RGB images (B, 3, H, W) in [0, 1].
            idr: IDRs (B, C) or (1, C); by default estimated from `lq`.
            compose_tail: Whether to run the tail as one convolution; see `SRNetwork.forward`.

        Returns:
            SR (B, 3, sH, sW), idr (B, C) and idr_full (B, 4C); idr_full is empty, (B, 0), if `idr`
            was given.
        """
        if idr is None:
            idr, idr_full = self.estimator(lq)
        else:
            idr_full = idr.new_empty(idr.shape[0], 0)
        assert idr is not None
        return self.network(lq, idr, compose_tail=compose_tail), idr, idr_full


class Teacher(Base):
    """The teacher, whose estimator also sees the ground truth; for training only.

    Args:
        config: The network's shape.
    """

    role = "teacher"

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__(config, in_channels=3 + 3 * config.scale**2)

    def estimate_pair(self, lq: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates the IDRs of (LQ, GT) pairs: idr (B, C) and idr_full (B, 4C).

        Args:
            lq: LQ images, RGB (B, 3, H, W) in [0, 1].
            gt: Ground truths, RGB (B, 3, sH, sW) in [0, 1].
        """
        s = self.config.scale
        phases = rearrange(gt, "b c (h row) (w column) -> b (c row column) h w", row=s, column=s)
        return self.estimator(torch.cat((lq, phases), dim=1))

    def forward(
        self, lq: Tensor, gt: Tensor, *, compose_tail: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Computes SR (B, 3, sH, sW), idr (B, C) and idr_full (B, 4C) for (LQ, GT) pairs."""
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
