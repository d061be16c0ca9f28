"""What the arguments of `kdsr upscale` mean for videos."""

import argparse

from ..errors import ConfigError
from ..video.options import VideoOptions
from ..video.pyav import load_av

_FOR_IMAGES = {
    "map": "--map is for images: the IDR of a video changes over its frames",
    "save_idr": "--save-idr is for images; --mode says which IDR the frames of a video get",
    "one_idr": "--one-idr is for images; for one IDR for a video use --mode locked, or --idr",
}


def video_options(arguments: argparse.Namespace) -> VideoOptions:
    """How videos are to be looked at and encoded.

    Raises:
        ConfigError: If a value is out of range.
    """
    return VideoOptions(
        arguments.mode.replace("-", " "),
        arguments.smoothing,
        arguments.scene_cut,
        arguments.codec,
        arguments.crf,
        arguments.quality,
    )


def check_for_videos(arguments: argparse.Namespace) -> None:
    """Refuses what does not go with videos, before any work.

    Raises:
        ConfigError: If a value is out of range, or an option is for images.
        VideoError: If PyAV is not installed.
    """
    for name, problem in _FOR_IMAGES.items():
        if getattr(arguments, name):
            raise ConfigError(problem)
    if arguments.wrap != "none":
        raise ConfigError("--wrap is for images")
    video_options(arguments)
    load_av()
