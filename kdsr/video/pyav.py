"""PyAV, which `kdsr` does without until there is a video: its errors, HDR10, orientation."""

import errno
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, cast

from torch import Tensor

from ..errors import VideoError

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
"""Names of the layouts of sound, by the number of channels."""
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
    """Side data of a decoded frame, by FFmpeg's name; empty if there is none."""
    from av.sidedata.sidedata import SideDataContainer

    # Not `frame.side_data`: a frame that keeps its container stays until garbage is collected.
    container = cast("Callable[[av.VideoFrame], Iterable[SideData]]", SideDataContainer)
    return next((bytes(data) for data in container(frame) if data.type.name == name), b"")


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turns what FFmpeg raises into a sentence.

    Args:
        task: Description of the task, the start of the message.

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
    """Opacity data stored beside a coded picture of VP9."""
    return bytes(packet.get_sidedata(_OPACITY)) if packet.has_sidedata(_OPACITY) else b""


def add_opacity(packet: "av.Packet", opacity: bytes) -> None:
    """Puts that beside a picture that is written."""
    module = load_av().packet
    data = module.PacketSideData(module.packet_sidedata_type_from_literal(_OPACITY), len(opacity))
    data.update(opacity)
    packet.set_sidedata(data)


_MASTERING = struct.Struct("<22i")  # ten fractions: R, G, B, white (x, y), least and most light
_LIGHT = struct.Struct("<2I")
_COLOURS, _NITS = 50_000, 10_000  # units of x265: 0.00002, and 0.0001 candela a square metre


@dataclass(frozen=True)
class HDR:
    """The numbers of SMPTE ST 2086 and CTA-861.3."""

    display: tuple[float, ...]
    """x and y of red, green, blue and white, then the least and the most candela a square metre;
    empty where nothing is said."""
    light: tuple[int, ...]
    """The brightest pixel and the brightest frame, in the same unit; empty where nothing is said.
    """

    @classmethod
    def of(cls, frame: "av.VideoFrame") -> "HDR | None":
        """Reads HDR metadata from a decoded frame; None if it has none."""
        display: tuple[float, ...] = ()
        light: tuple[int, ...] = ()
        if found := side_data(frame, "MASTERING_DISPLAY_METADATA"):
            values = _MASTERING.unpack(found[: _MASTERING.size])
            over, under = values[:20:2], values[1:20:2]
            if all(values[20:]) and all(under):
                display = tuple(a / b for a, b in zip(over, under, strict=True))
        if found := side_data(frame, "CONTENT_LIGHT_LEVEL"):
            light = _LIGHT.unpack(found[: _LIGHT.size])
        return cls(display, light) if display or light else None

    def options(self, encoder: str) -> dict[str, str]:
        """Options for an FFmpeg encoder to write HDR metadata; empty without support."""
        if encoder == "libx265":
            parts = [f"master-display={self._display(_COLOURS, _NITS)}"] if self.display else []
            parts += [f"max-cll={self.light[0]},{self.light[1]}"] if self.light else []
            return {"x265-params": ":".join(parts)}
        if encoder == "libsvtav1":
            parts = [f"mastering-display={self._display(1, 1)}"] if self.display else []
            parts += [f"content-light={self.light[0]},{self.light[1]}"] if self.light else []
            return {"svtav1-params": ":".join(parts)}
        return {}

    def _display(self, colours: int, nits: int) -> str:
        def said(value: float, unit: int) -> str:
            return f"{value:.5f}" if unit == 1 else f"{round(value * unit)}"

        x = [said(value, colours) for value in self.display[:8]]
        least, most = (said(value, nits) for value in self.display[8:])
        red, green, blue, white = (f"({x[i]},{x[i + 1]})" for i in (0, 2, 4, 6))
        return f"G{green}B{blue}R{red}WP{white}L({most},{least})"


_MATRIX = struct.Struct("<9i")


class Orientation(NamedTuple):
    """First rows and columns change places, then the picture is mirrored."""

    transposed: bool = False
    across: bool = False
    """Left and right change places."""
    down: bool = False
    """Top and bottom change places."""

    @classmethod
    def of(cls, frame: "av.VideoFrame") -> "Orientation":
        """Reads the rotation of a decoded frame, in quarter turns."""
        found = side_data(frame, "DISPLAYMATRIX")
        if not found:
            return cls()
        a, b, _, c, d, *_ = _MATRIX.unpack(found[: _MATRIX.size])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(transposed=False, across=a < 0, down=d < 0)
        return cls(transposed=True, across=c < 0, down=b < 0)

    def apply(self, pixels: Tensor) -> Tensor:
        """Turns (..., H, W) upright."""
        if self.transposed:
            pixels = pixels.transpose(-1, -2)
        sides = [side for side, wanted in ((-1, self.across), (-2, self.down)) if wanted]
        return pixels.flip(sides) if sides else pixels
