"""Save IDR and Load IDR: safetensors files in ComfyUI's output and input folders."""

from comfy_api.latest import io

from ..kdsr.errors import IDRError, KDSRError
from ..kdsr.idr import IDR
from . import runtime
from .types import IDRType, schema


class SaveIDR(io.ComfyNode):
    """`IDR.save` into the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_SaveIDR",
            display_name="Save IDR",
            description="Saves an IDR as safetensors in the output folder, for Load IDR and the "
            "kdsr command.",
            search_aliases=["export", "store degradation", "kdsr"],
            inputs=[
                IDRType.Input("idr", tooltip="One or more in a batch, saved in one file."),
                io.String.Input(
                    "filename_prefix",
                    default="kdsr/idr",
                    tooltip="Path and beginning of the name, in the output folder. Fields such as "
                    "%date:yyyy-MM-dd% and %NodeTitle.widget% work as in Save Image.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="The file written.")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, idr: IDR, filename_prefix: str) -> io.NodeOutput:
        path = runtime.new_output_path(filename_prefix, ".safetensors")
        idr.save(path, overwrite=False)
        runtime.show_text(cls, f"saved {path.name}")
        return io.NodeOutput(str(path))


class LoadIDR(io.ComfyNode):
    """`IDR.load` from the input or output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_LoadIDR",
            display_name="Load IDR",
            description="Loads an IDR that Save IDR or `kdsr estimate` wrote.",
            search_aliases=["import", "degradation preset", "kdsr"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=runtime.idr_files(),
                    tooltip="Safetensors files in the input folder, and those in the output "
                    "folder, marked [output]. The button below uploads one.",
                )
            ],
            outputs=[
                IDRType.Output(display_name="idr", tooltip="For the model that estimated it.")
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        if file is None:  # linked: known when it runs
            return True
        try:
            _load(file)
        except KDSRError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
        path = runtime.idr_path(file)
        return f"{file} {path.stat().st_mtime_ns if path else ''}"

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(_load(file))


def _load(file: str) -> IDR:
    path = runtime.idr_path(file)
    if path is None:
        raise IDRError(
            f"no IDR file {str(file)[:80]!r} in ComfyUI's input or output folder; put a "
            ".safetensors file of Save IDR into the input folder and press R"
        )
    return IDR.load(path)
