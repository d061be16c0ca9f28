"""Upscale with IDR and Tile Upscale: the image, larger, with one IDR for all of its tiles."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..kdsr.errors import ConfigError
from ..kdsr.estimation.regions import Regions
from ..kdsr.idr import IDR
from ..kdsr.meaning.strength import STRENGTHS, with_strength
from ..kdsr.options import WRAPS
from ..kdsr.upscaling.resized import upscale_to
from ..kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize
from . import runtime
from .estimate import estimate
from .images import Picture
from .types import ADVANCED, IDRType, LoadedModel, ModelType, schema

MODEL_FACTOR = "model factor"
SIZE_BY = (MODEL_FACTOR, "factor", "width", "height", "megapixels")
OVERLAPS = ("exact", "fast", "custom")


def common_inputs() -> list[Any]:
    """Inputs of every upscaling node up to the output size."""
    return [
        ModelType.Input("model", tooltip="From Load KDSR."),
        io.Image.Input(
            "image",
            tooltip="RGB or RGBA, any size, one or a batch. Alpha is upscaled apart.",
        ),
        io.Combo.Input(
            "size_by",
            options=list(SIZE_BY),
            default=MODEL_FACTOR,
            tooltip="What the output size is given by. model factor: the model's own (x4 for an x4 "
            "model); anything smaller is an antialiased downscale of that.",
        ),
        io.Float.Input(
            "size",
            default=2.0,
            min=0.01,
            max=LARGEST_SIDE,
            step=0.01,
            tooltip="The factor, the width or height in pixels, or the megapixels. Not used with "
            "model factor.",
        ),
    ]


def output_size(size_by: str, size: float) -> OutputSize | None:
    """What the two size inputs mean; None is the model's factor.

    Raises:
        ConfigError: If they mean nothing.
    """
    if size_by not in SIZE_BY:
        raise ConfigError(f"unknown size_by {size_by!r}; choose one of {', '.join(SIZE_BY)}")
    if size_by == MODEL_FACTOR:
        return None
    if size_by == "factor":
        return OutputSize(factor=size)
    if size_by == "megapixels":
        return OutputSize(megapixels=size)
    if size < 1 or size != int(size):
        raise ConfigError(f"the {size_by} must be a whole number of pixels, got {size:g}")
    pixels = int(size)
    return OutputSize(width=pixels) if size_by == "width" else OutputSize(height=pixels)


def size_problem(size_by: str | None = None, size: float | None = None) -> str | None:
    """What is wrong with an output size, as far as can be known without the image."""
    if size_by is None or size is None:  # linked: known when it runs
        return None
    try:
        output_size(size_by, size)
    except ConfigError as error:
        return str(error)
    return None


def upscale(
    model: LoadedModel,
    image: Tensor,
    idr: IDR | Regions | None,
    size_by: str,
    size: float,
    tile: int = 0,
    wrap: tuple[bool, bool] = (False, False),
    strength: float = 1.0,
    **options: Any,
) -> io.NodeOutput:
    """What the nodes do; `options` are those of `kdsr.upscale`."""
    picture = Picture.of(image)
    batch, _, height, width = picture.lq.shape
    wish = output_size(size_by, size) or OutputSize(factor=model.kdsr.config.scale)
    target = wish.resolve(height, width)
    if idr is None:
        idr = estimate(model, picture, wrap)
    idr = with_strength(model.kdsr, idr, strength)
    out = runtime.empty_result(batch, *target, 3 if picture.alpha is None else 4)
    upscale_to(
        runtime.ready(model, runtime.upscaling_memory(model, height, width, tile)),
        picture.lq,
        idr,
        target,
        alpha=picture.alpha,
        out=out.movedim(-1, 1),
        tile=tile or "auto",
        wrap=wrap,
        dtype=model.precision,
        progress=runtime.progress_bar(picture.preview(out)),
        cancelled=runtime.cancelled,
        **options,
    )
    return io.NodeOutput(runtime.result(out))


IDR_INPUT = IDRType.Input(
    "idr",
    optional=True,
    tooltip="From Estimate IDR, Load IDR or Blend IDR: one for all images or one for each. "
    "Without it, each image's own is estimated.",
)
STRENGTH_INPUT = io.Float.Input(
    "strength",
    default=1.0,
    min=STRENGTHS[0],
    max=STRENGTHS[1],
    step=0.05,
    optional=True,
    display_mode=io.NumberDisplay.slider,
    tooltip="How much to restore: 0 takes the image for clean, 1 is as estimated, above 1 restores "
    "more than was estimated.",
)
IMAGE_OUTPUT = io.Image.Output(display_name="image", tooltip="The upscaled image or batch.")


class Upscale(io.ComfyNode):
    """`model.upscale` with automatic tiles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_Upscale",
            display_name="Upscale with IDR",
            description="Upscales without seams; tiles and precision are chosen for you.",
            search_aliases=["super resolution", "upscale", "enlarge", "restore", "kdsr"],
            inputs=[*common_inputs(), IDR_INPUT, STRENGTH_INPUT],
            outputs=[IMAGE_OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, size_by: str | None = None, size: float | None = None) -> bool | str:
        return size_problem(size_by, size) or True

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        size_by: str,
        size: float,
        idr: IDR | None = None,
        strength: float = 1.0,
    ) -> io.NodeOutput:
        return upscale(model, image, idr, size_by, size, strength=strength)


class TileUpscale(io.ComfyNode):
    """`model.upscale` with every option."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_TileUpscale",
            display_name="Tile Upscale",
            description="Upscales any image size in bounded memory. With exact overlap the result "
            "equals that of the whole image at once.",
            search_aliases=["tiled upscale", "large image", "seamless", "ultimate", "kdsr"],
            inputs=[
                *common_inputs(),
                io.Int.Input(
                    "tile",
                    default=0,
                    min=0,
                    max=8192,
                    step=16,
                    tooltip="Input pixels per tile, overlap not counted. 0 is automatic, from "
                    "free memory. It does not change the result (with exact overlap).",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAPS),
                    default="exact",
                    tooltip="exact: as far as the network sees, so that tiles cannot be told. "
                    "fast: 32 px, differences of about 0.001. custom: as below.",
                ),
                io.Int.Input(
                    "custom_overlap",
                    default=64,
                    min=0,
                    max=512,
                    step=1,
                    tooltip="Input pixels of overlap on each side, with overlap custom.",
                    **ADVANCED,
                ),
                io.Combo.Input(
                    "wrap",
                    options=list(WRAPS),
                    default="none",
                    tooltip="For seamless textures and panoramas: the image continues at its "
                    "other edge along x, y or both.",
                ),
                io.Int.Input(
                    "tiles_per_batch",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Tiles that go through the network together. 0 is automatic.",
                    **ADVANCED,
                ),
                IDR_INPUT,
                STRENGTH_INPUT,
            ],
            outputs=[IMAGE_OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, size_by: str | None = None, size: float | None = None) -> bool | str:
        return size_problem(size_by, size) or True

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        size_by: str,
        size: float,
        tile: int,
        overlap: str,
        custom_overlap: int,
        wrap: str,
        tiles_per_batch: int,
        idr: IDR | None = None,
        strength: float = 1.0,
    ) -> io.NodeOutput:
        return upscale(
            model,
            image,
            idr,
            size_by,
            size,
            tile=tile,
            wrap=WRAPS[wrap],
            strength=strength,
            overlap=custom_overlap if overlap == "custom" else overlap,
            batch=tiles_per_batch or "auto",
        )
