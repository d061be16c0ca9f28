"""Inspect IDR: a plot and a report of what an IDR says."""

from comfy_api.latest import io

from .types import IDRType, ModelType, schema


class InspectIDR(io.ComfyNode):
    """`kdsr.inspect` shown in the node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_InspectIDR",
            display_name="Inspect IDR",
            description="Draws one or more IDRs, compares them with a second one, and shows where "
            "in the image the local estimates differ.",
            search_aliases=["degradation report", "plot", "compare", "cosine similarity", "kdsr"],
            inputs=[
                IDRType.Input("idr", tooltip="One or more in a batch."),
                IDRType.Input("other", optional=True, tooltip="A second IDR to compare with."),
                ModelType.Input(
                    "model", optional=True, tooltip="For the heat map; needs image as well."
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="For the heat map of where local estimates differ; its first image "
                    "is used. Needs model as well.",
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
    def execute(cls, idr, other=None, model=None, image=None) -> io.NodeOutput:
        raise NotImplementedError
