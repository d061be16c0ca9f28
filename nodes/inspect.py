"""Inspect IDR: a plot and a report of what an IDR says."""

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.idr import IDR
from . import runtime
from .images import Picture
from .models import Models
from .running import estimate_cells
from .types import FIRST, IDRType, ModelType, schema


class InspectIDR(io.ComfyNode):
    """`kdsr.inspect` shown in the node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_InspectIDR",
            FIRST,
            display_name="Inspect IDR",
            description="Shows how an image was degraded: blur, noise, JPEG, and where. Compares "
            "two IDRs.",
            search_aliases=["degradation report", "plot", "compare", "cosine similarity", "kdsr"],
            inputs=[
                IDRType.Input("idr", tooltip="One or a batch."),
                IDRType.Input("other", optional=True, tooltip="A second IDR, to compare."),
                ModelType.Input(
                    "model",
                    optional=True,
                    tooltip="The model that made idr. Adds the meaning in words, and known "
                    "degradations.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Adds a map of where the image looks differently degraded. Needs the "
                    "model. The first of a batch.",
                ),
                # The server does not know what the page speaks: web/language.js fills it in.
                io.String.Input(
                    "language",
                    optional=True,
                    default="en",
                    socketless=True,
                    tooltip="Language of the figure: en, ja, ko, zh, zh-TW. The page fills it in.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="plot", tooltip="The figure in the node."),
                io.String.Output(display_name="report", tooltip="The same in words."),
                io.Float.Output(
                    display_name="similarity",
                    tooltip="How alike idr and other are (cosine). 1: the same. Always 1 "
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
        model: Models | None = None,
        image: Tensor | None = None,
        language: str = "en",
    ) -> io.NodeOutput:
        from ..kdsr.meaning.report import draw_report, report

        local, lq = None, None
        made_by = None if model is None else model.of_idr(idr)
        if made_by is not None and image is not None:
            lq = Picture.of(image[:1]).lq
            local = estimate_cells(made_by, lq)
        known = None if made_by is None else made_by.kdsr
        text = report(idr, other, local, known, language)
        plot = runtime.to_image(draw_report(idr, other, local, lq, known, language))
        similarity = float(idr.cosine(other).mean()) if other is not None else 1.0
        return io.NodeOutput(plot, text, similarity, ui=runtime.preview_images(plot, cls))
