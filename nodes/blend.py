"""Blend IDR: between two degradations, and a little beyond; either may be a known one."""

from comfy_api.latest import io

from ..kdsr.errors import IDRError
from ..kdsr.idr import BLEND_RANGE, IDR
from ..kdsr.meaning.references import NAMES, references
from .models import Models, maker
from .types import IDRS, IDRType, ModelType, schema

NO_PRESET = "none"


class BlendIDR(io.ComfyNode):
    """`IDR.blend`."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_BlendIDR",
            IDRS,
            display_name="Blend IDR",
            description="Mixes two IDRs, or one with a known degradation, to restore less or more.",
            search_aliases=["strength", "mix", "interpolate", "restoration strength", "kdsr"],
            inputs=[
                IDRType.Input("idr_a", tooltip="The result at weight 0."),
                io.Float.Input(
                    "weight",
                    default=0.5,
                    min=BLEND_RANGE[0],
                    max=BLEND_RANGE[1],
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="0: idr a. 1: idr b. Outside, the difference is exaggerated, and "
                    "artifacts may appear.",
                ),
                IDRType.Input(
                    "idr_b",
                    optional=True,
                    tooltip="The result at weight 1. Not together with a preset.",
                ),
                io.Combo.Input(
                    "preset",
                    options=[NO_PRESET, *NAMES],
                    default=NO_PRESET,
                    optional=True,
                    tooltip="In place of idr b: the average IDR of photographs with a known "
                    "degradation. Needs the model.",
                ),
                ModelType.Input(
                    "model", optional=True, tooltip="For presets: the model that made idr a."
                ),
            ],
            outputs=[
                IDRType.Output(display_name="idr", tooltip="The mix; as many as the larger batch.")
            ],
        )

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        known = [NO_PRESET, *NAMES]
        if preset is None or preset in known:  # None: known when it runs
            return True
        return f"no preset {str(preset)[:80]!r}; choose one of {', '.join(known)}"

    @classmethod
    def execute(
        cls,
        idr_a: IDR,
        weight: float,
        idr_b: IDR | None = None,
        preset: str = NO_PRESET,
        model: Models | None = None,
    ) -> io.NodeOutput:
        if preset != NO_PRESET:
            if idr_b is not None:
                raise IDRError(
                    f"idr_b is connected and the preset {preset!r} is chosen: disconnect idr_b, or "
                    f"set the preset to {NO_PRESET}"
                )
            if model is None:
                raise IDRError(f"the preset {preset!r} needs a model: connect the one of idr_a")
            idr_b = references(model.of_idr(idr_a).kdsr)[preset]
        if idr_b is None:
            raise IDRError("nothing to blend with: connect idr_b, or choose a preset")
        if idr_a.fingerprint != idr_b.fingerprint:
            raise IDRError(
                f"idr_a was made by {maker(idr_a)}, idr_b by {maker(idr_b)}, and IDRs of two "
                "models do not mix: estimate both with one model"
            )
        return io.NodeOutput(idr_a.blend(idr_b, weight))
