"""The student's parts as files hold them: tensors in, tensors out, nothing to configure."""

import copy

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.func import functional_call

from ..estimation.structure import differing
from ..meaning.readings import regress
from ..network.baked import BakedKDSR
from ..network.calibration import Calibration
from ..network.models import Student
from .facts import seen_size


class StreamedEstimator(nn.Module):
    """The estimator over the tiles of a picture, one call each.

    The estimator averages its features before its MLP, so what has to be kept between calls is
    their sum and the number of pixels: the last call's IDR is that of the whole picture.

    Args:
        model: The student; copied.
        dtype: Of the convolutions. Sums, MLP and results stay in float32.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.estimator = copy.deepcopy(model.estimator).to(dtype)
        self.estimator.mlp.float()
        self.estimator.compress.float()
        self.calibration: Calibration | None = model.calibration
        self.eval().requires_grad_(False)

    def forward(self, lq: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Adds images or tiles to what was seen.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W).
            weights: How much each pixel counts, 0 to 1, (B, 1, H, W).
            before: What the call before gave as seen, (1, 4C + 2); zeros in the first call.

        Returns:
            idr (1, C) and idr_full (1, 4C) of all that was seen; seen (1, 4C + 2), the weighted
            sums of the features, of the pixels and of those with structure; and, of a calibrated
            model, readings (1, 11) in the order of `kdsr.exports.facts.READINGS`.
        """
        features = self.estimator.features(lq.to(self.dtype)).float()
        structured = differing(lq)[:, None].float() * weights
        added = ((features * weights).sum((0, 2, 3)), weights.sum()[None], structured.sum()[None])
        seen = before + torch.cat(added)
        idr, idr_full = self.estimator.from_pooled(seen[:, :-2] / seen[:, -2:-1])
        if self.calibration is None:
            return idr, idr_full, seen
        return idr, idr_full, seen, _readings(self.calibration, idr_full, seen[:, -1])


class SteeredKDSR(nn.Module):
    """The network with its IDR as an input, one for all images of a batch.

    Args:
        model: The student; copied.
        dtype: Of everything but the first convolution, as in `BakedKDSR.cast_body`.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.network = BakedKDSR.from_model(model).cast_body(dtype)
        self.predictors = nn.ModuleList(
            copy.deepcopy(block.get_submodule("predictor")) for block in model.network.blocks
        ).to(dtype)
        self.eval().requires_grad_(False)

    def forward(self, lq: Tensor, idr: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (B, 3, H, W), and idr (1, C) to RGB around [0, 1], (B, 3, sH, sW)."""
        kernels = {
            f"depthwise.{i}.weight": rearrange(predict(idr.to(self.dtype)), "1 c h w -> c 1 h w")
            for i, predict in enumerate(self.predictors)
        }
        return functional_call(self.network, kernels, (lq,))


class BlindKDSR(nn.Module):
    """The whole student: an image, (1, 3, H, W), to the upscaled one.

    Args:
        model: The student; copied.
        dtype: As in the parts.
    """

    def __init__(self, model: Student, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.estimator = StreamedEstimator(model, dtype)
        self.network = SteeredKDSR(model, dtype)
        self.register_buffer("nothing", torch.zeros(1, seen_size(model)), persistent=False)
        self.eval()

    def forward(self, lq: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (1, 3, H, W), to RGB around [0, 1], (1, 3, sH, sW)."""
        idr, *_ = self.estimator(lq, torch.ones_like(lq[:, :1]), self.nothing)
        return self.network(lq, idr)


def _readings(calibration: Calibration, idr_full: Tensor, structure: Tensor) -> Tensor:
    values, errors, odds = regress(calibration, idr_full, structure)
    rest = torch.stack((odds.sigmoid(), calibration.excess(idr_full), structure), dim=1)
    return torch.cat((values, errors, rest), dim=1)
