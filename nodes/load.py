"""Load KDSR: a bundled model, a file or an address on the Hub."""

from comfy_api.latest import io

from ..kdsr.errors import ConfigError
from ..kdsr.options import CRISPNESSES
from . import models, runtime
from .types import ModelType, schema

PRECISIONS = ["auto", "fp32", "bf16", "fp16"]


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
                    tooltip="Models that come with the pack, and the files in models/kdsr.",
                ),
                io.Combo.Input(
                    "precision",
                    options=PRECISIONS,
                    default="auto",
                    tooltip="auto: the fastest on this device: fp16 on CUDA, bf16 on CPUs that "
                    "have it, else fp32. Measured for bf16: 99.99% of the values within 1/255 of "
                    "fp32, 2.3/255 at most. fp16 needs a CUDA GPU.",
                ),
                io.String.Input(
                    "hub_id",
                    optional=True,
                    default="",
                    placeholder="owner/repo/file.safetensors@revision",
                    tooltip="A model on the Hugging Face Hub, used instead of the one chosen "
                    "above. @revision may be left out.",
                ),
                io.Float.Input(
                    "crispness",
                    default=1.0,
                    min=CRISPNESSES[0],
                    max=CRISPNESSES[1],
                    step=0.05,
                    optional=True,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="For crisp models: 0 is as faithful as the model that it was trained "
                    "on from, 1 is the crisp model, above 1 goes beyond it.",
                ),
            ],
            outputs=[ModelType.Output(display_name="model", tooltip="For every other KDSR node.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None) -> bool | str:
        # Only one: ComfyUI repeats what is said here for every input that is named here, and checks
        # the others itself. None is linked: known when it runs.
        return (model is not None and models.problem(model)) or True

    @classmethod
    def fingerprint_inputs(
        cls,
        model: str | None = None,
        precision: str | None = None,
        hub_id: str | None = None,
        crispness: float | None = None,
    ) -> str:
        return f"{precision} {crispness} {models.version(model, hub_id)}"

    @classmethod
    def execute(
        cls, model: str, precision: str, hub_id: str | None = "", crispness: float = 1.0
    ) -> io.NodeOutput:
        if precision == "fp16" and not runtime.has_cuda():
            raise ConfigError("fp16 needs a CUDA GPU; choose auto or bf16")
        loaded = models.load(model, hub_id, precision, crispness)
        runtime.show_text(cls, models.describe(loaded.kdsr))
        return io.NodeOutput(loaded)
