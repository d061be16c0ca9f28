"""How a picture is turned and mirrored before it is shown, as the display matrix of a file says."""

import struct
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from .pyav import side_data

if TYPE_CHECKING:
    import av

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
        """That of a decoded frame, to whole quarters of a turn."""
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
