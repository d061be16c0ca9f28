"""Bake to Upscale Model: a KDSR with its IDR built in, for the stock nodes."""

import sys

import torch
from comfy_api.latest import io
from torch import Tensor

from ..kdsr.errors import IDRError
from ..kdsr.files.baked import save_baked
from ..kdsr.idr import IDR
from ..kdsr.network.baked import BakedKDSR
from ..kdsr.spandrel_archs import check_rgb
from ..kdsr.tiles.work import pick_dtype
from . import runtime
from .models import Models
from .types import IDRType, ModelType, schema


class BakedUpscaler:
    """An UPSCALE_MODEL: has what `spandrel.ImageModelDescriptor` has, for any node that takes one.

    Args:
        model: The baked network.
        name: Name of the model that it was baked from.
    """

    purpose = "SR"
    input_channels = output_channels = 3
    supports_half = supports_bfloat16 = True

    def __init__(self, model: BakedKDSR, name: str = "") -> None:
        self.model = model
        self.scale = model.scale
        self.tags = [f"{model.config.n_feats}nf", f"{model.config.n_blocks}nb", name]
        # ComfyUI after 0.3.64 moves upscale models through this.
        self.patcher = runtime.patcher(model)
        self._describe()

    def _describe(self) -> None:
        """Packs that ask for an ImageModelDescriptor, or for what it says, get their answer.

        ComfyUI itself imports spandrel: it is there wherever that can be asked.
        """
        spandrel = sys.modules.get("spandrel")
        if spandrel is None:
            return
        from ..kdsr.spandrel_archs.archs import BakedArch

        spandrel.ImageModelDescriptor.register(BakedUpscaler)
        self.architecture = BakedArch()
        self.size_requirements = spandrel.SizeRequirements()
        self.tiling = spandrel.ModelTiling.SUPPORTED

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.model.fuse.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the network, except for its first layer."""
        return self.model.fuse.weight.dtype

    def to(self, *args, **kwargs) -> "BakedUpscaler":
        """Moves the network, like `torch.nn.Module.to`."""
        self.model.to(*args, **kwargs)
        return self

    def cpu(self) -> "BakedUpscaler":
        """Moves the network to the CPU."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> "BakedUpscaler":
        """Moves the network to a CUDA device."""
        self.model.cuda(device)
        return self

    def half(self) -> "BakedUpscaler":
        """Casts the network to float16."""
        return self.to(torch.float16)

    def bfloat16(self) -> "BakedUpscaler":
        """Casts the network to bfloat16."""
        return self.to(torch.bfloat16)

    def float(self) -> "BakedUpscaler":
        """Casts the network to float32."""
        return self.to(torch.float32)

    def eval(self) -> "BakedUpscaler":
        """There is no other mode."""
        return self

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        """Maps RGB in [0, 1], (B, 3, H, W), to RGB clamped to [0, 1], (B, 3, sH, sW)."""
        check_rgb(image)
        if self.device != image.device:  # ComfyUI may leave plain layers behind to save memory
            self.to(image.device)
        return self.model(image).clamp(0, 1)


class BakeUpscaleModel(io.ComfyNode):
    """`model.bake` as an UPSCALE_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_BakeUpscaleModel",
            display_name="Bake to Upscale Model",
            description="Makes an ordinary upscale model of KDSR and one IDR, for Upscale Image "
            "(using Model), Ultimate SD Upscale and others.",
            search_aliases=["upscale model", "convert", "ultimate sd upscale", "kdsr"],
            inputs=[
                ModelType.Input("model", tooltip="From Load KDSR."),
                IDRType.Input(
                    "idr", tooltip="A single one: of one image, or mode one for the batch."
                ),
                io.String.Input(
                    "save_as",
                    optional=True,
                    default="",
                    placeholder="not saved",
                    tooltip="Start of a file name in models/upscale_models, where Load Upscale "
                    "Model finds it. Empty: not saved.",
                ),
            ],
            outputs=[
                io.UpscaleModel.Output(
                    display_name="upscale_model",
                    tooltip="For every node that takes an upscale model.",
                )
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,  # nothing has to be connected where only the file is wanted
        )

    @classmethod
    def execute(cls, model: Models, idr: IDR, save_as: str | None = "") -> io.NodeOutput:
        if len(idr) != 1:
            raise IDRError(
                f"a baked network holds one IDR, got a batch of {len(idr)}: set the mode of "
                "Estimate IDR to “one for the batch”"
            )
        made_by = model.of_idr(idr)
        kdsr = made_by.kdsr
        dtype = pick_dtype(made_by.precision, made_by.patcher.load_device)
        with torch.inference_mode(False):  # nodes of other packs may use it outside that mode
            baked = kdsr.bake(idr).to("cpu")
            note = _saved(baked, save_as, kdsr.metadata) if save_as else None
            baked.cast_body(dtype)
        return io.NodeOutput(
            BakedUpscaler(baked, made_by.name), ui=runtime.note(note) if note else None
        )


def _saved(baked: BakedKDSR, name: str, metadata: dict[str, str]) -> str:
    """Saves the network where Load Upscale Model finds it; returns a note about that."""
    path = runtime.new_output_path(name, ".safetensors", runtime.upscale_model_folder())
    kept = {key: metadata[key] for key in ("name", "licence") if key in metadata}
    save_baked(baked, path, kept, overwrite=False)
    return f"Saved {path.name} in models/upscale_models. Press R to list it."
