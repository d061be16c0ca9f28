"""What the vectors of a model mean, measured when it was exported and kept in its file.

The estimator's numbers have no names. `train/calibrate.py` shows a finished model photographs that
were degraded in known ways and keeps what comes out: mean vectors of named degradations
(`kdsr.references`), a small regressor to blur, noise and JPEG (`kdsr.read`), the range of what it
was trained on, and how far single cells of such photographs lie from its middle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..floats import is_finite

PREFIX = "calibration."
"""Of the tensors in a safetensors file."""
KEY = "calibration"
"""Of the metadata that names their rows."""
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
"""Of every tensor; a word stands for the same number wherever it occurs."""
_OPTIONAL = {"cell_distance"}  # files of version 0.2 and before have none


@dataclass(frozen=True)
class Calibration:
    """Measured on photographs of known degradations; D' is `idr_full`, 4C values.

    Raises:
        CheckpointError: If names and tensors do not belong together, or numbers make no sense.
    """

    names: tuple[str, ...]
    """Of the N references."""
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
    where nobody measured it. See `kdsr.network.trust`."""

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
