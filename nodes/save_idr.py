"""Save IDR: a safetensors file in ComfyUI's output folder."""

from comfy_api.latest import io

from ..kdsr.idr import IDR
from . import runtime
from .types import IDRS, IDRType, schema


class SaveIDR(io.ComfyNode):
    """`IDR.save` into the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_SaveIDR",
            IDRS,
            display_name="Save IDR",
            description="Saves an IDR in the output folder, for Load IDR and the kdsr command.",
            search_aliases=["export", "store degradation", "kdsr"],
            inputs=[
                IDRType.Input("idr", tooltip="One or a batch, in one file."),
                io.String.Input(
                    "filename_prefix",
                    default="kdsr/idr",
                    tooltip="Folder and start of the name. %date:yyyy-MM-dd% and "
                    "%NodeTitle.widget% work as in Save Image.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="The saved file.")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, idr: IDR, filename_prefix: str) -> io.NodeOutput:
        path = runtime.new_output_path(filename_prefix, ".safetensors")
        idr.save(path, overwrite=False)
        return io.NodeOutput(str(path), ui=runtime.note(f"Saved {path.name}."))
