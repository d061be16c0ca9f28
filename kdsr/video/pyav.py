"""PyAV, which `kdsr` does without until there is a video, and what its errors mean."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, cast

from ..errors import VideoError

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData

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


def side_data(frame: "av.VideoFrame", name: str) -> bytes:
    """What comes along with a decoded frame, by FFmpeg's name; empty where there is none."""
    found = cast("Iterable[SideData]", frame.side_data)  # its types say that names come out
    return next((bytes(data) for data in found if data.type.name == name), b"")


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


_OPACITY = "matroska_block_additional"


def can_store_opacity() -> bool:
    """Whether this PyAV hands on the opacity of VP9, which is stored beside its pictures."""
    return hasattr(load_av().packet, "PacketSideData") and hasattr(load_av().Packet, "set_sidedata")


def opacity_of(packet: "av.Packet") -> bytes:
    """What is stored of opacity beside a coded picture of VP9."""
    return bytes(packet.get_sidedata(_OPACITY)) if packet.has_sidedata(_OPACITY) else b""


def add_opacity(packet: "av.Packet", opacity: bytes) -> None:
    """Puts that beside a picture that is written."""
    module = load_av().packet
    data = module.PacketSideData(module.packet_sidedata_type_from_literal(_OPACITY), len(opacity))
    data.update(opacity)
    packet.set_sidedata(data)
