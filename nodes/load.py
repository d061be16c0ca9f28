"""Load KDSR: a bundled model, a file or an address on the Hub."""

from comfy_api.latest import io

from . import models, runtime
from .types import ModelType, schema


class LoadKDSR(io.ComfyNode):
    """`kdsr.load` into ComfyUI's memory management."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Load",
            display_name="Load KDSR",
            description="Loads a KDSR super-resolution model.",
            search_aliases=["super resolution", "upscale model", "kdsr loader", "restore"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=models.options(),
                    default=models.DEFAULT,
                    tooltip="Bundled models come with the pack. Files are those in models/kdsr. "
                    f"Those marked “{models.DOWNLOAD_MARK.strip()}” are fetched once, verified "
                    "and kept in models/kdsr.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp32", "bf16", "fp16"],
                    default="auto",
                    tooltip="auto: the fastest that stays within 1/255 of fp32 on this device. "
                    "fp16 needs a CUDA GPU.",
                ),
                io.String.Input(
                    "hub_id",
                    optional=True,
                    default="",
                    placeholder="owner/repo/file.safetensors@revision",
                    tooltip="A model on the Hugging Face Hub, used instead of the one chosen "
                    "above. @revision may be left out.",
                ),
            ],
            outputs=[ModelType.Output(display_name="model", tooltip="For every other KDSR node.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, model: str, precision: str, hub_id: str = "") -> bool | str:
        if precision == "fp16" and not runtime.has_cuda():
            return "fp16 needs a CUDA GPU; choose auto or bf16"
        return models.problem(model, hub_id) or True

    @classmethod
    def fingerprint_inputs(cls, model: str, precision: str, hub_id: str = "") -> str:
        return f"{precision} {models.version(model, hub_id)}"

    @classmethod
    def execute(cls, model: str, precision: str, hub_id: str = "") -> io.NodeOutput:
        loaded = models.load(model, hub_id, precision)
        config = loaded.kdsr.config
        runtime.show_text(cls, f"×{config.scale}, {loaded.kdsr.n_parameters / 1e6:.1f} M parameters")
        return io.NodeOutput(loaded)
