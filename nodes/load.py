"""Load KDSR: a model by what you have, or by its name, file or address on the Hub."""

from comfy_api.latest import io

from ..kdsr.errors import ConfigError
from ..kdsr.options import CRISPNESSES, PURPOSES
from . import models, runtime
from .types import FIRST, ModelType, advanced, schema, told

PRECISIONS = ["auto", "fp32", "bf16", "fp16"]


class LoadKDSR(io.ComfyNode):
    """`kdsr.load` into ComfyUI's memory management."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        choices = models.options()
        return schema(
            "KDSR_Load",
            FIRST,
            display_name="Load KDSR",
            description="Loads a model that enlarges images and removes blur, noise and JPEG "
            "artifacts.",
            search_aliases=["super resolution", "upscale model", "kdsr loader", "restore", "4x",
                            "denoise", "deblur", "jpeg artifacts"],
            inputs=[
                told(
                    io.Combo.Input(
                        "model",
                        options=choices,
                        default=models.DEFAULT,
                        tooltip="photo: crisp, for photographs, damaged ones too. faithful: "
                        "invents nothing; for generated images, drawings, text.",
                    ),
                    # For web/models.js: what is listed first, and where the dial means something.
                    kdsr_first=list(PURPOSES),
                    kdsr_dial=[choice for choice in choices if models.has_dial(choice)],
                ),
                advanced(
                    io.Combo.Input(
                        "precision",
                        options=PRECISIONS,
                        default="auto",
                        tooltip="auto: the fastest here: fp16 on CUDA, bf16 on CPUs that have it, "
                        "else fp32. fp16 needs a CUDA GPU.",
                    )
                ),
                advanced(
                    io.String.Input(
                        "hub_id",
                        optional=True,
                        default="",
                        placeholder="owner/repo/file.safetensors@revision",
                        tooltip="A model on the Hugging Face Hub, in place of the one above. "
                        "@revision is optional.",
                    )
                ),
                io.Float.Input(
                    "crispness",
                    default=1.0,
                    min=CRISPNESSES[0],
                    max=CRISPNESSES[1],
                    step=0.05,
                    optional=True,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="For crisp models. 0: the faithful one. 1: the crisp one. Above 1: "
                    "crisper still.",
                ),
            ],
            outputs=[ModelType.Output(display_name="model", tooltip="For the other KDSR nodes.")],
            has_intermediate_output=True,
        )  # fmt: skip

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
        return f"{precision} {models.version(model, hub_id, crispness)}"

    @classmethod
    def execute(
        cls, model: str, precision: str, hub_id: str | None = "", crispness: float = 1.0
    ) -> io.NodeOutput:
        if precision == "fp16" and not runtime.has_cuda():
            raise ConfigError("fp16 needs a CUDA GPU; choose auto or bf16")
        loaded = models.load(model, hub_id, precision, crispness)
        said = [] if (hub_id or "").strip() else models.remarks(model)
        return io.NodeOutput(loaded, ui=runtime.note("; ".join(said)) if said else None)
