"""Upscale Video: a video, larger, frame by frame, with its sound."""

from fractions import Fraction
from typing import Any

import torch
from comfy_api.latest import InputImpl, io
from torch import Tensor

from ..kdsr.idr import IDR
from ..kdsr.options import Tiling
from ..kdsr.video.containers import CODECS
from ..kdsr.video.film import Film
from ..kdsr.video.images import Images, Waveform
from ..kdsr.video.options import MODES, SMOOTHED, VideoOptions
from ..kdsr.video.reading import VideoFile
from ..kdsr.video.upscaling import upscale_video
from . import runtime
from .images import Picture
from .inputs import STRENGTH_INPUT, smoothing_inputs
from .previews import thin
from .running import call
from .sizes import FIT_HEIGHT, output_size, size_inputs
from .types import ADVANCED, IDRType, LoadedModel, ModelType, schema

_DEFAULTS = VideoOptions()
_CODEC = "h264"
_TICKS = 1_000_000
"""A second: how exactly ComfyUI's floats say where a video is cut."""
_LARGEST_DIVISOR = 1001
"""Of the frame rates in use, 30000/1001 for instance."""


class UpscaleVideo(io.ComfyNode):
    """`kdsr.video.upscaling.upscale_video` from and to ComfyUI's VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "KDSR_UpscaleVideo",
            display_name="Upscale Video",
            description="Upscales a video of any length in the memory of a few frames, without "
            "flicker; the sound and the frame rate stay what they were.",
            search_aliases=["video super resolution", "enlarge video", "restore film", "kdsr"],
            inputs=[
                ModelType.Input("model", tooltip="From Load KDSR."),
                io.Video.Input("video", tooltip="From Load Video, Trim Video or Create Video."),
                *size_inputs(),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=_DEFAULTS.mode,
                    optional=True,
                    tooltip="Which IDR a frame gets. smoothed: averaged over its neighbours, for "
                    "no flicker, and afresh at scene cuts. locked: one for the whole video. per "
                    "frame: its own; takes one pass instead of two, but may flicker.",
                ),
                *smoothing_inputs(
                    SMOOTHED, _DEFAULTS.smoothing, _DEFAULTS.scene_cut, optional=True
                ),
                io.Int.Input(
                    "crf",
                    default=CODECS[_CODEC].crf,
                    min=0,
                    max=CODECS[_CODEC].largest_crf,
                    optional=True,
                    tooltip="Quality of the H.264 video: 0 is lossless, 18 hard to tell from it, "
                    "23 smaller, 51 the worst.",
                    **ADVANCED,
                ),
                IDRType.Input(
                    "idr",
                    optional=True,
                    tooltip="One for all frames, from Estimate IDR (one for the batch), Load IDR "
                    "or Blend IDR. The mode is not used then.",
                ),
                STRENGTH_INPUT,
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The upscaled video with its sound, a file in ComfyUI's temp folder "
                    "until Save Video keeps it.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        video: Any,
        size_by: str,
        size: float,
        fit_height: int = FIT_HEIGHT,
        mode: str = _DEFAULTS.mode,
        smoothing: float = _DEFAULTS.smoothing,
        scene_cut: float = _DEFAULTS.scene_cut,
        crf: int = CODECS[_CODEC].crf,
        idr: IDR | None = None,
        strength: float = 1.0,
    ) -> io.NodeOutput:
        source = film(video)
        facts = source.facts()
        latest = _Latest()
        progress = runtime.Progress(1).part(preview=latest.picture)
        memory = runtime.upscaling_memory(model, facts.height, facts.width)
        kdsr, job = call(model, memory, progress)
        path = runtime.new_temp_path("kdsr_video", ".mp4")
        upscale_video(
            kdsr,
            source,
            path,
            output_size(size_by, size, fit_height),
            idr=idr,
            strength=strength,
            options=VideoOptions(mode, smoothing, scene_cut, _CODEC, crf),
            tiling=Tiling(dtype=model.precision),
            job=job,
            shown=latest.keep,
        )
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


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
    frames = picture.lq if picture.alpha is None else torch.cat([picture.lq, picture.alpha], dim=1)
    return Images(frames, rate, waveform, deep)
