"""What the vectors of a model mean, measured when it was exported and kept in its file.

The estimator's numbers have no names. `train/calibrate.py` shows a finished model photographs that
were degraded in known ways and keeps what comes out: mean vectors of named degradations
(`kdsr.references`), a small regressor to blur, noise and JPEG (`kdsr.read`), and the range of what
it was trained on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import CheckpointError

PREFIX = "calibration."
"""Of the tensors in a safetensors file."""
KEY = "calibration"
"""Of the metadata that names their rows."""
QUANTITIES = ("blur_long", "blur_short", "noise", "quality")
"""What is read off a vector: blur in px of the upscaled image, noise in 0-255, JPEG quality."""
_NO_LONGER_KEPT = {"spreads"}  # in files of version 0.1: nothing ever read it


@dataclass(frozen=True)
class Calibration:
    """Measured on photographs of known degradations; D' is `idr_full`, 4C values."""

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

    def tensors(self) -> dict[str, Tensor]:
        """What a safetensors file keeps, without `names`."""
        return {
            PREFIX + key: value.detach().float().contiguous()
            for key, value in vars(self).items()
            if key != "names"
        }

    def metadata(self) -> dict[str, str]:
        """The rest."""
        return {KEY: json.dumps({"references": self.names})}

    @classmethod
    def from_file(
        cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
    ) -> "Calibration | None":
        """What a file holds, or None if it has no calibration.

        Raises:
            CheckpointError: If it is there in part, or its shapes do not belong together.
        """
        found = {
            key[len(PREFIX) :]: tensor.float()
            for key, tensor in tensors.items()
            if key.startswith(PREFIX) and key[len(PREFIX) :] not in _NO_LONGER_KEPT
        }
        if not found:
            return None
        wanted = {name for name in cls.__dataclass_fields__ if name != "names"}
        if found.keys() != wanted:
            odd = ", ".join(sorted(found.keys() ^ wanted))
            raise CheckpointError(
                f"the calibration is of another version ({odd}); make it anew with "
                "train/calibrate.py"
            )
        try:
            names = tuple(json.loads(metadata[KEY])["references"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError("the calibration has no names in the metadata") from None
        size = found["means"].shape[-1]
        if len(names) != len(found["means"]) or any(
            found[key].shape[-1] != size for key in ("axes", "hidden_weight")
        ):
            raise CheckpointError("the calibration's shapes do not belong together")
        return cls(names=names, **found)

    def standard(self, idr_full: Tensor) -> Tensor:
        """(B, 4C) -> (B, 4C): differences from the training's mean in standard deviations."""
        return (idr_full - self.centre) / self.scale

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
