"""PyAV, which `kdsr` does without until there is a video, and what its errors mean."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ..errors import VideoError

WRITING = "the upscaled video cannot be written"
_QUIET = ("SVT_LOG", "1")  # an encoder that talks to the terminal: errors alone


def load_av() -> ModuleType:
    """The `av` module.

    Raises:
        VideoError: If PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError(
            "video needs PyAV, which ComfyUI brings along but this Python does not have "
            f'({error}); install it with: python -m pip install av (the extra "video" of kdsr)'
        ) from None
    os.environ.setdefault(*_QUIET)
    return av


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turns what FFmpeg raises into a sentence.

    Args:
        task: What was being done, to begin the sentence with.

    Raises:
        VideoError: For an error of FFmpeg.
    """
    av = load_av()
    try:
        yield
    except av.FFmpegError as error:
        if error.errno == errno.ENOSPC:
            raise VideoError(f"{task}: the disk is full; free some space and try again") from None
        raise VideoError(f"{task}: FFmpeg says {error.strerror!r}") from error
