"""The network with its IDR built in: plain convolutions, the fast path of all upscaling.

An IDR outside of the model's calibrated range is moved back to its edge. Cells outside of the range
do not count in an estimate, as the estimator mistakes dither and hatching for degradations.
"""

import logging
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..errors import IDRError
from ..idr import IDR
from .architecture import LEAK, RGB_MEAN, IDRBlock, KDSRConfig, halo
from .models import Calibration, Student
from .tail import ComposedTail, Tail, run_composed

FULL, NONE = 1.0, 1.2
"""Distances from the centre of the range: a cell's weight in an estimate falls from 1 at the first
to 0 at the second. The unit is the distance within which 99.9% of photographs' cells lie. A hard
limit would make films flicker when a cell crosses it."""
FARTHEST = 1.1
"""Largest distance of an IDR in the same unit; farther ones are moved back."""
_log = logging.getLogger(__name__)


def range_of(model: Student) -> Calibration | None:
    """The calibration of a model if it has a range; otherwise None, with one warning."""
    calibration = model.calibration
    if calibration is not None and calibration.cell_distance is not None:
        return calibration
    _say_without()
    return None


@cache
def _say_without() -> None:
    _log.warning(
        "the model has no range: dither or hatching in a picture may spoil all of it; "
        "`python train/calibrate.py MODEL.safetensors --data PHOTOS` measures one"
    )


def votes(calibration: Calibration, idr_full: Tensor) -> Tensor:
    """Weights of vectors in an estimate, 0 to 1: (..., 4C) -> (...)."""
    return ((NONE - _excess(calibration, idr_full)) / (NONE - FULL)).clamp(0, 1)


def lies_outside(model: Student, idr: IDR) -> bool:
    """Whether `drawn_back` would move any vector of a batch."""
    calibration = range_of(model)
    if calibration is None:
        return False
    return bool((_excess(calibration, idr.idr_full) > FARTHEST).any())


def drawn_back(model: Student, idr: IDR) -> IDR:
    """Moves vectors outside of the range towards its centre, onto its edge.

    Args:
        model: Model of the IDR; without a range nothing changes.
        idr: IDR from a file, a blend or an estimate.
    """
    calibration = range_of(model)
    if calibration is None:
        return idr
    outside = _excess(calibration, idr.idr_full) > FARTHEST
    if not outside.any():
        return idr
    full = onto_edge(calibration, idr.idr_full)
    with torch.inference_mode():
        vectors = model.estimator.compress_stored(full).float().cpu()
    vectors = torch.where(outside[:, None], vectors, idr.idr)
    told = {**idr.provenance, "drawn back": "into the range that the model knows"}
    return replace(idr, idr=vectors, idr_full=full, provenance=told)


def onto_edge(calibration: Calibration, idr_full: Tensor) -> Tensor:
    """Vectors, (B, 4C), those outside of the range moved onto its edge."""
    excess = _excess(calibration, idr_full) / FARTHEST
    centre = calibration.centre
    return centre + (idr_full - centre) / excess.clamp(min=1)[:, None]


def _excess(calibration: Calibration, idr_full: Tensor) -> Tensor:
    assert calibration.cell_distance is not None
    return calibration.distance(idr_full) / calibration.cell_distance.to(idr_full)


_ONES = [1, 1]


def can_fuse(weight: Tensor) -> bool:
    """Whether blocks with such weights can run by `fused_block`: bf16 on a CPU with bf16 support.

    On CPUs a block's activation and sum take as long as its convolutions, because of memory access.
    oneDNN fuses them into the convolutions, on float32 sums, which also rounds less often.
    PyTorch's own compiler uses these operations; they have no public name.
    """
    ops = torch.ops.mkldnn
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and hasattr(ops, "_convolution_pointwise")
        and hasattr(ops, "_is_mkldnn_bf16_supported")
        and bool(ops._is_mkldnn_bf16_supported())
    )


def fused_block(depthwise: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Runs a block, x + conv(LReLU(depthwise(x))), (B, C, H, W), fused; without gradients."""
    kernels, weight = depthwise.get_parameter("weight"), conv.get_parameter("weight")
    ops = torch.ops.mkldnn._convolution_pointwise
    y = ops(x, kernels, None, _ONES, _ONES, _ONES, len(kernels), "leaky_relu", [LEAK], "")
    bias = conv.get_parameter("bias")
    return ops.binary(y, x, weight, bias, _ONES, _ONES, _ONES, 1, "add", 1.0, None, [], None)


def plain_block(depthwise: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Runs the same block as `fused_block` by ordinary operations."""
    return conv(F.leaky_relu_(depthwise(x), LEAK)).add_(x)


class BakedKDSR(nn.Module):
    """A KDSR network for one IDR: RGB (B, 3, H, W) -> RGB (B, 3, sH, sW), not clamped.

    For a fixed IDR, every IDR-DDC is a static depthwise convolution, and the tail is one
    convolution (`kdsr.network.tail`). One pass equals the model's own result. Callers that cut
    tiles themselves get the same result if their tiles overlap by at least `halo` LQ pixels.

    Args:
        config: The model's configuration.
    """

    mean: Tensor

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__()
        c = config.n_feats
        self.config = config
        self.scale = config.scale
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.depthwise = nn.ModuleList(
            nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False) for _ in range(config.n_blocks)
        )
        self.convs = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for _ in range(config.n_blocks))
        self.fuse = nn.Conv2d(c, c, 3, padding=1)
        self.tail = Tail(c, config.scale)
        self.composed = nn.Conv2d(
            c, 3 * config.scale**2, self.tail.kernel_side, padding=self.tail.reach
        )
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1))

        self.fused = False
        """Whether blocks run by fused operations, which exporters do not know; see `can_fuse`."""
        self.halo = halo(config.n_blocks, self.tail)
        """Context of an output pixel on each side in LQ pixels."""

    @classmethod
    def from_model(cls, model: Student, idr: IDR | None = None) -> "BakedKDSR":
        """Copies a student's network, on the student's device.

        Args:
            model: Student.
            idr: One IDR of this model; without it, call `set_idr` before use.

        Raises:
            IDRError: If the IDR belongs to another model, or is a batch of several.
        """
        network = model.network
        weight = network.head.weight
        with torch.device("meta"):
            baked = cls(model.config)
        state = {"mean": network.mean[None]}
        for name in ("head", "fuse", "tail"):
            for key, tensor in getattr(network, name).state_dict().items():
                state[f"{name}.{key}"] = tensor
        blank = torch.zeros(model.config.n_feats, 1, 3, 3, device=weight.device)
        for i, block in enumerate(network.blocks):
            assert isinstance(block, IDRBlock)
            assert block.conv.bias is not None
            state[f"convs.{i}.weight"], state[f"convs.{i}.bias"] = (
                block.conv.weight,
                block.conv.bias,
            )
            state[f"depthwise.{i}.weight"] = blank
        composed = model.composed_tail()
        state["composed.weight"], state["composed.bias"] = composed.weight, composed.bias
        # Clones, so that a later cast or move of either network does not affect the other.
        baked.load_state_dict({k: t.detach().clone() for k, t in state.items()}, assign=True)
        baked.eval().requires_grad_(False).to(weight.device)
        if idr is not None:
            baked.set_idr(model, idr)
        return baked

    @torch.no_grad()
    def set_idr(self, model: Student, idr: IDR) -> None:
        """Builds another IDR in; see `from_model`.

        An IDR outside of the model's range is moved to its edge; see `drawn_back`.
        """
        idr.check_model(model.fingerprint, model.config.n_feats)
        if len(idr) != 1:
            raise IDRError(
                f"a baked network holds one IDR, got a batch of {len(idr)}; pick one with idr[i] "
                "or average them with idr.mean()"
            )
        weight = model.network.head.weight
        kernels = model.network.predict_kernels(
            drawn_back(model, idr).idr.to(weight.device, weight.dtype)
        )
        for conv, kernel in zip(self.depthwise, kernels, strict=True):
            conv.get_parameter("weight").copy_(rearrange(kernel, "1 c kh kw -> c 1 kh kw"))

    def cast_body(self, dtype: torch.dtype) -> "BakedKDSR":
        """Casts everything but the first convolution to `dtype`, in place; returns itself.

        The first convolution is cheap and stays in float32, as rounding the image itself costs more
        accuracy than all later layers together.
        """
        self.to(dtype)
        self.head.float()
        self.mean = torch.tensor(RGB_MEAN, device=self.mean.device).reshape(1, 3, 1, 1)
        return self

    def forward(self, lq: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (B, 3, H, W), to RGB around [0, 1], (B, 3, sH, sW)."""
        image = (lq - self.mean).to(self.head.weight.dtype)
        x = head = self.head(image).to(self.fuse.weight.dtype)
        for depthwise, conv in zip(self.depthwise, self.convs, strict=True):
            x = fused_block(depthwise, conv, x) if self.fused else plain_block(depthwise, conv, x)
        x = self.fuse(x).add_(head)
        del head  # the tail holds most memory
        bias = self.composed.bias  # torch.export of 2.4 does not support `get_parameter`
        assert bias is not None
        composed = ComposedTail(self.composed.weight, bias, self.scale)
        y = run_composed(self.tail, composed, x)
        del x
        return y.to(lq.dtype).add_(self.mean.to(lq.dtype))


def bytes_per_pixel(config: KDSRConfig, element_size: int) -> int:
    """Bytes that one pass allocates for each LQ pixel of its window, without weights.

    At its peak, a block holds four maps of C features. The tail's output exists twice in its own
    dtype and once in float32.
    """
    values = 3 * config.scale**2
    return (5 * config.n_feats + 2 * values) * element_size + 3 * values * 4
