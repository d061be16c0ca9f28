"""HDR10: what the pictures were mastered on, and how bright they get."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .pyav import side_data

if TYPE_CHECKING:
    import av

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
        """That of a decoded frame; None where nothing is said."""
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
        """What makes an encoder of FFmpeg write it; empty for one that cannot."""
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
