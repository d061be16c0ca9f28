"""KDSR Upscale Video: a video, larger and cleaner, frame by frame, with its sound."""

from fractions import Fraction
from typing import Any

import torch
from comfy_api.latest import InputImpl, io
from torch import Tensor

from ..kdsr.formats import CODECS
from ..kdsr.idr import IDR
from ..kdsr.options import MODES, SMOOTHED, Size, Tiling, VideoOptions
from ..kdsr.upscaling.sizes import OutputSize
from ..kdsr.video.film import Facts, Film, Images, Waveform
from ..kdsr.video.reading import VideoFile
from ..kdsr.video.upscaling import Made, upscale_video, video_size
from . import inputs, models, runtime
from .images import Picture
from .models import Models
from .previews import thin
from .running import call, plan_factor
from .types import FIRST, IDRType, LoadedModel, advanced, schema

_DEFAULTS = VideoOptions()
_CODEC, _DEEP_CODEC = "h264", "hevc"
"""Codecs that browsers play, for 8 bit and more; they do not play 10-bit H.264."""
_TICKS = 1_000_000
"""A second: how exactly ComfyUI's floats say where a video is cut."""
_LARGEST_DIVISOR = 1001
"""Largest denominator of common frame rates, such as 30000/1001."""


class UpscaleVideo(io.ComfyNode):
    """`kdsr.video.upscaling.upscale_video` from and to ComfyUI's VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_UpscaleVideo",
            FIRST,
            display_name="KDSR Upscale Video",
            description="Enlarges a video and removes blur, noise and JPEG artifacts, without "
            "flicker. Any length; sound and frame rate stay.",
            search_aliases=["video super resolution", "enlarge video", "restore film", "4x",
                            "upscale", "denoise", "deblur", "enhance", "kdsr"],
            inputs=[
                io.Video.Input("video", tooltip="From Load Video, Trim Video or Create Video."),
                *inputs.size_inputs()[:-1],
                inputs.OPTIONAL_MODEL_INPUT,
                inputs.size_inputs()[-1],
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=_DEFAULTS.mode,
                    optional=True,
                    tooltip="The IDR of a frame. smoothed: averaged over its neighbours. locked: "
                    "one for all. per frame: its own, may flicker.",
                ),
                *inputs.smoothing_inputs(
                    SMOOTHED, _DEFAULTS.smoothing, _DEFAULTS.scene_cut, optional=True
                ),
                advanced(
                    io.Int.Input(
                        "crf",
                        default=CODECS[_CODEC].crf,
                        min=0,
                        max=CODECS[_CODEC].largest_crf,
                        optional=True,
                        tooltip="Quality of the file. 0: lossless, very large. 18: hardly a loss "
                        "to be seen. 23: smaller. 51: worst.",
                    )
                ),
                IDRType.Input(
                    "idr",
                    optional=True,
                    tooltip="One for all frames, in place of the mode.",
                ),
                inputs.STRENGTH_INPUT,
                inputs.PURPOSE_INPUT,
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The larger video with its sound. Connect Save Video to keep it.",
                )
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, purpose: str | None = models.DEFAULT) -> bool | str:
        return inputs.valid_purpose(purpose)

    @classmethod
    def execute(
        cls,
        video: Any,
        size_by: str,
        size: float,
        model: Models | None = None,
        fit_height: int = inputs.FIT_HEIGHT,
        mode: str = _DEFAULTS.mode,
        smoothing: float = _DEFAULTS.smoothing,
        scene_cut: float = _DEFAULTS.scene_cut,
        crf: int = CODECS[_CODEC].crf,
        idr: IDR | None = None,
        strength: float = 1.0,
        purpose: str = models.DEFAULT,
    ) -> io.NodeOutput:
        source, wish = film(video), inputs.output_size(size_by, size, fit_height)
        facts = source.facts()
        chosen = plan_factor(
            model or models.own(purpose), Size(facts.width, facts.height), wish, idr
        )
        latest = _Latest()
        progress = runtime.Progress(1).part(preview=latest.picture)
        memory = runtime.upscaling_memory(chosen, facts.height, facts.width)
        kdsr, job = call(chosen, memory, progress)
        wish = wish or OutputSize(factor=kdsr.config.scale)
        path = runtime.new_temp_path("kdsr_video", ".mp4")
        codec = _DEEP_CODEC if facts.colour.deep else _CODEC
        made = upscale_video(
            kdsr,
            source,
            path,
            wish,
            idr=idr,
            strength=strength,
            options=VideoOptions(mode, smoothing, scene_cut, codec, crf),
            tiling=Tiling(dtype=chosen.precision),
            job=job,
            shown=latest.keep,
        )
        result = InputImpl.VideoFromFile(str(path))
        said = [_story(made, facts, wish, chosen), *([] if model else models.remarks(purpose))]
        return io.NodeOutput(result, ui=runtime.note("; ".join(said)))


def _story(made: Made, facts: Facts, wish: OutputSize, model: LoadedModel) -> str:
    """Text about the work, for the node's note."""
    frame, factor = Size(facts.width, facts.height), model.kdsr.config.scale
    size = video_size(wish, frame)
    told = f"{made.frames} frames of {size} by {model.name}"
    if not frame.scaled(factor).covers(size):
        told += f", then resized: it enlarges {factor} times, the rest is bicubic"
    clear = "; what is transparent became white" if facts.colour.transparent else ""
    return "; ".join((told + clear, *made.lost))


class _Latest:
    """The last finished frame, small, for the progress bar."""

    def __init__(self) -> None:
        self._small: Tensor | None = None

    def keep(self, rgb: Tensor) -> None:
        """Takes a frame, (H, W, 3) in [0, 1] or uint8."""
        self._small = thin(rgb).clone()  # not a view: that would keep the whole frame

    def picture(self) -> Tensor | None:
        """(h, w, 3) in [0, 1], or None before the first frame."""
        if self._small is None or self._small.is_floating_point():
            return self._small
        return self._small / 255


def film(video: Any) -> Film:
    """ComfyUI's VIDEO as the library reads it: from its file, trimmed as it is, or from tensors."""
    if isinstance(video, InputImpl.VideoFromComponents):
        return _images(video)
    start, duration = _window(video)
    return VideoFile(video.get_stream_source(), start, duration or None)


def _window(video: Any) -> tuple[Fraction, Fraction]:
    """Seconds left out at the beginning and seconds that are read; 0 for all."""
    if hasattr(video, "get_active_trim_window"):
        window = video.get_active_trim_window()
    else:  # versions that trim but do not say so; before that, there is nothing to say
        names = ("_VideoFromFile__start_time", "_VideoFromFile__duration")
        window = [getattr(video, name, 0) for name in names]
    start, duration = (Fraction(seconds).limit_denominator(_TICKS) for seconds in window)
    return start, duration


def _images(video: Any) -> Images:
    """A video that is not a file: encoding it first would only lose something."""
    parts = video.get_components()
    waveform = None
    if parts.audio is not None:
        waveform = Waveform(parts.audio["waveform"][0], int(parts.audio["sample_rate"]))
    rate = Fraction(parts.frame_rate).limit_denominator(_LARGEST_DIVISOR)
    deep = hasattr(video, "get_bit_depth") and video.get_bit_depth() > 8  # later than 0.3.64
    picture = Picture.of(parts.images)
    frames = picture.lq
    if picture.alpha is not None and (picture.alpha < 1).any():
        frames = torch.cat([picture.lq, picture.alpha], dim=1)
    return Images(frames, rate, waveform, deep)
