"""What spandrel gets for a baked network: a plain module that tiles like any other.

Needs spandrel, as `kdsr.spandrel.architecture`.
"""

# Where spandrel is not installed, pyright takes its name for that of this folder.
# pyright: reportAttributeAccessIssue=false

from spandrel import Architecture, ImageModelDescriptor
from spandrel.util import KeyCondition  # pyright: ignore[reportMissingImports]
from torch import Tensor

from ..files.baked import KEYS, build_baked
from .rgb import run_on_rgb


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
            call_fn=run_on_rgb,
        )
