"""Lets spandrel recognise and load KDSR files and baked networks.

The only module that needs spandrel: it is imported by `kdsr.spandrel_archs.install`.
"""

from collections.abc import Callable

import torch
from spandrel import (  # pyright: ignore[reportMissingImports]
    Architecture,
    ImageModelDescriptor,
    ModelTiling,
)
from spandrel.util import KeyCondition  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn

from ..errors import CheckpointError
from ..files.baked import KEYS, build_baked
from ..files.official import from_official
from ..files.weights import dequantize, infer_config, is_official
from ..model import KDSR
from ..network.architecture import KDSRConfig
from ..network.models import PREFIX
from . import check_rgb

OURS = (
    "network.head.weight",
    "network.blocks.0.predictor.hidden.weight",
    "network.tail.out.weight",
    "estimator.head.weight",
    "estimator.compress.weight",
)
"""Keys that every file of ours has. No other architecture has the second and the last."""
OFFICIAL = (
    "G.head.0.weight",
    "G.body.0.body.0.da_conv1.kernel.0.weight",
    "G.tail.1.weight",
)
"""Keys that every official checkpoint has, beside those of its estimator."""


class PlainKDSR(nn.Module):
    """A student as the plain module that spandrel's users expect: one image in, one image out.

    Tiles internally, with one IDR for the whole of what it is given; see `kdsr.upscaling.upscaler`.

    Args:
        config: The network's shape.
    """

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__()
        self.kdsr = KDSR(config)

    def forward(self, image: Tensor) -> Tensor:
        """Upscales in the number format that the weights are in.

        Args:
            image: RGB in [0, 1], (B, 3, H, W), of any size.

        Returns:
            RGB clamped to [0, 1], (B, 3, sH, sW), of the image's dtype on its device.
        """
        weight = self.kdsr.network.head.weight
        # Without CUDA, half precision affects the weights only; convolutions run in float32.
        half_is_slow = weight.dtype == torch.float16 and weight.device.type != "cuda"
        dtype = torch.float32 if half_is_slow else weight.dtype
        return self.kdsr.upscale(image, dtype=dtype).to(image)


class KDSRArch(Architecture):
    """KDSR in spandrel's registry: the size is inferred from the tensors."""

    def __init__(self) -> None:
        estimator = KeyCondition.has_any("E_st.E.0.weight", "E.E.0.weight")
        super().__init__(
            id="KDSR",
            # Teachers too: so that what they lack is said, not that nobody knows the file.
            detect=KeyCondition.has_any(
                KeyCondition.has_all(*OURS), KeyCondition.has_all(*OFFICIAL, estimator)
            ),
        )

    def load(self, state_dict: dict[str, Tensor]) -> ImageModelDescriptor:
        """Builds the student that a state dict belongs to.

        Raises:
            CheckpointError: If it is a teacher, or its tensors do not belong together.
        """
        state = {key: t for key, t in state_dict.items() if not key.startswith(PREFIX)}
        state = dequantize(state)
        if is_official(state):
            state, _ = from_official(state)
        if state["estimator.head.weight"].shape[1] != 3:
            raise CheckpointError(
                "this is a KDSR teacher, which needs the ground truth to run; "
                "upscaling needs the student that was distilled from it"
            )
        config = infer_config(state)
        model = PlainKDSR(config)
        descriptor = ImageModelDescriptor(
            model,
            {f"kdsr.{key}": tensor for key, tensor in state.items()},
            architecture=self,
            purpose="SR" if config.scale > 1 else "Restoration",
            tags=[f"{config.n_feats}nf", f"{config.n_blocks}nb", f"{config.n_resblocks}rb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=config.scale,
            input_channels=3,
            output_channels=3,
            tiling=ModelTiling.INTERNAL,
            call_fn=_run_on_rgb,
        )
        model.kdsr.freeze()  # loaded by now: what follows from the weights is computed once
        return descriptor


class BakedArch(Architecture):
    """A KDSR network with its IDR built in, as `kdsr.files.baked.save_baked` wrote it."""

    def __init__(self) -> None:
        super().__init__(id="KDSR-baked", detect=KeyCondition.has_all(*KEYS))

    def load(self, state_dict: dict[str, Tensor]) -> ImageModelDescriptor:
        """Builds the network that a state dict belongs to.

        Raises:
            CheckpointError: If its tensors do not belong together.
        """
        model = build_baked(state_dict)
        return ImageModelDescriptor(
            model,
            state_dict,
            architecture=self,
            purpose="SR" if model.scale > 1 else "Restoration",
            tags=[f"{model.config.n_feats}nf", f"{model.config.n_blocks}nb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=model.scale,
            input_channels=3,
            output_channels=3,
            call_fn=_run_on_rgb,
        )


def _run_on_rgb(model: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The `call_fn` of our descriptors: spandrel itself does not look at the channels."""
    check_rgb(image)
    return model(image)
