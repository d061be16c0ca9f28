"""The network with its IDR built in: plain convolutions, the fast path of everything.

A vector from elsewhere is drawn back into the range that the model knows. A cell outside of it has
no vote: the estimator takes dither and hatching for degradations that no photograph has.
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
"""Votes fade between these distances: a cell counts whole up to the first, not at all from the
second. The unit is the distance that 99.9% of photographs' cells stay within. A hard limit would
make a film flicker where a cell lies on it."""
FARTHEST = 1.1
"""A vector farther away, in the same unit, is drawn back."""
_log = logging.getLogger(__name__)


def range_of(model: Student) -> Calibration | None:
    """The calibration of a model that has a range; else None, said once."""
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
    """How much each vector counts, 0 to 1: (..., 4C) -> (...)."""
    return ((NONE - _excess(calibration, idr_full)) / (NONE - FULL)).clamp(0, 1)


def lies_outside(model: Student, idr: IDR) -> bool:
    """Whether `drawn_back` moves any vector of a batch."""
    calibration = range_of(model)
    if calibration is None:
        return False
    return bool((_excess(calibration, idr.idr_full) > FARTHEST).any())


def drawn_back(model: Student, idr: IDR) -> IDR:
    """Moves vectors that lie outside of the range straight towards its middle, onto its edge.

    Args:
        model: Theirs; without a range nothing changes.
        idr: From a file, a blend, or an estimate of the whole.
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
    """Whether blocks with such weights may run by `fused_block`: bf16 on a CPU that knows it.

    There the activation and the sum of a block take as long as its convolutions: they wait for
    memory. oneDNN does them while it convolves, from float32 sums, which also rounds less often.
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
    """A block, x + conv(LReLU(depthwise(x))), (B, C, H, W); see `can_fuse`. No gradients."""
    kernels, weight = depthwise.get_parameter("weight"), conv.get_parameter("weight")
    ops = torch.ops.mkldnn._convolution_pointwise
    y = ops(x, kernels, None, _ONES, _ONES, _ONES, len(kernels), "leaky_relu", [LEAK], "")
    bias = conv.get_parameter("bias")
    return ops.binary(y, x, weight, bias, _ONES, _ONES, _ONES, 1, "add", 1.0, None, [], None)


def plain_block(depthwise: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """The same anywhere."""
    return conv(F.leaky_relu_(depthwise(x), LEAK)).add_(x)


class BakedKDSR(nn.Module):
    """A KDSR network for one IDR: (B, 3, H, W) -> (B, 3, sH, sW), RGB, not clamped.

    Given the IDR every IDR-DDC is a static depthwise convolution, and the tail is one convolution
    (`kdsr.network.tail`). One pass equals the model's own result. A caller that cuts the image into
    tiles itself gets that result only where its tiles overlap by `halo` LQ pixels or more.

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
        """Whether blocks run by operations that exports do not know; see `can_fuse`."""
        self.halo = halo(config.n_blocks, self.tail)
        """LQ pixels of context that one output pixel sees on each side."""

    @classmethod
    def from_model(cls, model: Student, idr: IDR | None = None) -> "BakedKDSR":
        """Copies a student's network, on the student's device.

        Args:
            model: The student.
            idr: A batch of one from this model; without it, call `set_idr` before use.

        Raises:
            IDRError: If the IDR is another model's or a batch of several.
        """
        network = model.network
        weight = network.head.weight
        with torch.device("meta"):
            baked = cls(model.config)
        state = {"mean": network.mean}
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
        # Cloned, so that a later cast or move of either leaves the other alone.
        baked.load_state_dict({k: t.detach().clone() for k, t in state.items()}, assign=True)
        baked.eval().requires_grad_(False).to(weight.device)
        if idr is not None:
            baked.set_idr(model, idr)
        return baked

    @torch.no_grad()
    def set_idr(self, model: Student, idr: IDR) -> None:
        """Builds another IDR in; see `from_model`.

        One outside of the model's range is drawn back into it (`kdsr.network.baked`).
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
        """Runs everything but the first convolution in `dtype`, in place; returns itself.

        The first convolution is cheap and stays in float32: rounding the image itself would cost
        more accuracy than all later layers together.
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
        bias = self.composed.bias  # torch.export of 2.4 does not know `get_parameter`
        assert bias is not None
        composed = ComposedTail(self.composed.weight, bias, self.scale)
        y = run_composed(self.tail, composed, x).to(lq.dtype)
        return y.add_(self.mean.to(lq.dtype))


def bytes_per_pixel(config: KDSRConfig, element_size: int) -> int:
    """Bytes that one pass allocates for each LQ pixel of its window, weights apart.

    Four maps of C features are alive at the widest point of a block, and the tail's output twice
    in its own dtype and once in float32.
    """
    values = 3 * config.scale**2
    return (5 * config.n_feats + 2 * values) * element_size + 3 * values * 4
