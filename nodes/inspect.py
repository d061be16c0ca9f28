"""Inspect IDR: a plot and a report of what an IDR says."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from . import runtime
from .images import Picture
from .running import estimate_cells
from .types import IDRType, LoadedModel, ModelType, schema


class InspectIDR(io.ComfyNode):
    """`kdsr.inspect` shown in the node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_InspectIDR",
            display_name="Inspect IDR",
            description="Says what one or more IDRs mean (blur, noise, JPEG), compares them with a "
            "second one, and shows where in the image the local estimates differ.",
            search_aliases=["degradation report", "plot", "compare", "cosine similarity", "kdsr"],
            inputs=[
                IDRType.Input("idr", tooltip="One or more in a batch."),
                IDRType.Input("other", optional=True, tooltip="A second IDR to compare with."),
                ModelType.Input(
                    "model",
                    optional=True,
                    tooltip="The model that made idr: for what it means in words and among known "
                    "degradations, and for the heat map.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="For the heat map of where local estimates differ; its first image "
                    "is used. Needs model as well.",
                ),
                # The server does not know what the page speaks: web/language.js fills it in.
                io.String.Input(
                    "language",
                    optional=True,
                    default="en",
                    socketless=True,
                    tooltip="Of the figure and the report: en, ja, ko, zh or zh-TW. The page takes "
                    "its own.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="plot", tooltip="The figure shown in the node."),
                io.String.Output(display_name="report", tooltip="The same in words."),
                io.Float.Output(
                    display_name="similarity",
                    tooltip="Cosine similarity of idr and other, averaged over the batch; 1 "
                    "without other.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        idr: IDR,
        other: IDR | None = None,
        model: LoadedModel | None = None,
        image: Tensor | None = None,
        language: str = "en",
    ) -> io.NodeOutput:
        from ..kdsr.meaning.report import draw_report, report

        local, lq = None, None
        if model is not None:
            idr.check_model(model.kdsr.fingerprint, model.kdsr.config.n_feats)
        if model is not None and image is not None:
            lq = Picture.of(image[:1]).lq
            local = estimate_cells(model, lq)
        known = None if model is None else model.kdsr
        text = report(idr, other, local, known, language)
        plot = runtime.to_image(draw_report(idr, other, local, lq, known, language))
        similarity = float(idr.cosine(other).mean()) if other is not None else 1.0
        return io.NodeOutput(plot, text, similarity, ui=runtime.preview_images(plot, cls))
