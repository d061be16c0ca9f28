"""Bake to Upscale Model: a KDSR with its IDR built in, for the stock nodes."""

from comfy_api.latest import io

from .types import IDRType, ModelType, schema


class BakeUpscaleModel(io.ComfyNode):
    """`model.bake` as an UPSCALE_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_BakeUpscaleModel",
            display_name="Bake to Upscale Model",
            description="Builds one IDR into the network, for Upscale Image (using Model) and "
            "every other node that takes an upscale model.",
            search_aliases=["upscale model", "convert", "ultimate sd upscale", "kdsr"],
            inputs=[
                ModelType.Input("model", tooltip="From Load KDSR."),
                IDRType.Input("idr", tooltip="A single one (one for the batch)."),
            ],
            outputs=[
                io.UpscaleModel.Output(
                    display_name="upscale_model",
                    tooltip="Works wherever an upscale model does.",
                )
            ],
        )

    @classmethod
    def execute(cls, model, idr) -> io.NodeOutput:
        raise NotImplementedError
