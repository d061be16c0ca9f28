"""The network with its IDR built in: plain convolutions, the fast path of everything."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .atomic import replacing
from .config import KDSRConfig
from .errors import IDRError
from .idr import IDR
from .layers import LEAK, IDRBlock
from .network import RGB_MEAN
from .tail import ComposedTail, Tail, run_composed

if TYPE_CHECKING:
    from .model import KDSR


class BakedKDSR(nn.Module):
    """A KDSR network for one IDR: (B, 3, H, W) -> (B, 3, sH, sW), RGB, not clamped.

    Given the IDR every IDR-DDC is a static depthwise convolution, and the tail is one convolution
    (`kdsr.tail`). One pass equals the model's own result. A caller that cuts the image into tiles
    itself gets that result only where its tiles overlap by `halo` LQ pixels or more.

    Args:
        config: The model's configuration.
    """

    mean: Tensor

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__()
        c = config.n_feats
        self.config = config
        self.scale = config.scale
        self.halo = config.network_halo
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.depthwise = nn.ModuleList(
            nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False) for _ in range(config.n_blocks)
        )
        self.convs = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for _ in range(config.n_blocks))
        self.fuse = nn.Conv2d(c, c, 3, padding=1)
        self.tail = Tail(c, config.scale)
        self.composed = nn.Conv2d(c, 3 * config.scale**2, 5, padding=2)
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1))

    @classmethod
    def from_model(cls, model: "KDSR", idr: IDR | None = None) -> "BakedKDSR":
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
    def set_idr(self, model: "KDSR", idr: IDR) -> None:
        """Builds another IDR in; see `from_model`."""
        idr.check_model(model.fingerprint)
        if len(idr) != 1:
            raise IDRError(
                f"a baked network holds one IDR, got a batch of {len(idr)}; pick one with idr[i] "
                "or average them with idr.mean()"
            )
        weight = model.network.head.weight
        kernels = model.network.predict_kernels(idr.idr.to(weight.device, weight.dtype))
        for conv, kernel in zip(self.depthwise, kernels, strict=True):
            conv.get_parameter("weight").copy_(kernel[0].unsqueeze(1))

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
            x = conv(F.leaky_relu_(depthwise(x), LEAK)).add_(x)
        x = self.fuse(x).add_(head)
        bias = self.composed.get_parameter("bias")
        composed = ComposedTail(self.composed.weight, bias, self.scale)
        y = run_composed(self.tail, composed, x)
        return y.to(lq.dtype) + self.mean.to(lq.dtype)


def export_onnx(baked: BakedKDSR, path: str | Path) -> None:
    """Writes a baked network as ONNX with free batch, height and width.

    The file equals the baked module in one pass, for images of at least 5 x 5 px. A runtime that
    cuts the image into tiles itself sees zero padding at every tile border: its result is exact
    only where tiles overlap by `halo` LQ pixels (in the file's metadata) or more.

    Needs the packages onnx and onnxscript.

    Args:
        baked: In float32, on the CPU.
        path: Ends in `.onnx`; written atomically.
    """
    sample = torch.zeros(2, 3, 16, 20)
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=5)}
    dims[3] = torch.export.Dim("width", min=5)
    program = torch.onnx.export(
        baked,
        (sample,),
        input_names=["lq"],
        output_names=["sr"],
        dynamic_shapes=(dims,),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(
        {"scale": str(baked.scale), "halo": str(baked.halo), "range": "RGB in [0, 1]"}
    )
    with replacing(Path(path)) as temporary:
        program.save(temporary, external_data=False)
