"""Load IDR: a safetensors file from ComfyUI's input or output folder."""

from comfy_api.latest import io

from ..kdsr.errors import IDRError, KDSRError
from ..kdsr.idr import IDR
from . import runtime
from .types import IDRS, IDRType, schema


class LoadIDR(io.ComfyNode):
    """`IDR.load` from the input or output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_LoadIDR",
            IDRS,
            display_name="Load IDR",
            description="Loads an IDR that Save IDR or the command kdsr estimate wrote.",
            search_aliases=["import", "degradation preset", "kdsr"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=runtime.idr_files(),
                    tooltip="Files of the input folder, and of the output folder, marked [output]. "
                    "The button uploads one.",
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
