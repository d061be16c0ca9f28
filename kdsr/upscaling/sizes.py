"""Output sizes as people write them: `2x`, `3840x`, `x2160`, `3840x2160`, `12MP`."""

import math
import re
from dataclasses import dataclass

from ..errors import ConfigError

LARGEST_FACTOR = 16
"""Of a result to its input, however the size is stated. `Nx` above this is a width in pixels."""
LARGEST_SIDE = 65_536
"""Pixels of a result."""
_LARGEST_MEGAPIXELS = LARGEST_SIDE**2 / 1e6


@dataclass(frozen=True)
class OutputSize:
    """A wish for the size of the result; exactly one kind of it is set.

    Raises:
        ConfigError: If a number is out of range.
    """

    factor: float | None = None
    """Times the input's size."""
    width: int | None = None
    """Pixels; with `height`, the box that the result is fitted into."""
    height: int | None = None
    """Pixels."""
    megapixels: float | None = None
    """Millions of pixels."""

    def __post_init__(self) -> None:
        kinds = [self.factor, self.width or self.height, self.megapixels]
        if sum(kind is not None for kind in kinds) != 1:
            raise ConfigError("an output size is a factor, a width and / or height, or megapixels")
        if self.factor is not None and not 0 < self.factor <= LARGEST_FACTOR:
            raise ConfigError(
                f"the factor must be above 0 and at most {LARGEST_FACTOR}, got {self.factor:g}"
            )
        for name in ("width", "height"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= LARGEST_SIDE:
                raise ConfigError(f"the {name} must be 1 to {LARGEST_SIDE} px, got {value}")
        if self.megapixels is not None and not 0 < self.megapixels <= _LARGEST_MEGAPIXELS:
            raise ConfigError(
                f"megapixels must be above 0 and at most {_LARGEST_MEGAPIXELS:.0f}, got "
                f"{self.megapixels:g}"
            )

    def resolve(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the result for an input of that size, its proportions kept.

        Raises:
            ConfigError: If it is more than `LARGEST_FACTOR` times the input, or than `LARGEST_SIDE`
                on a side.
        """
        if self.factor is not None:
            factor = self.factor
        elif self.megapixels is not None:
            factor = math.sqrt(self.megapixels * 1e6 / (height * width))
        else:
            factor = min(
                side / length
                for side, length in ((self.width, width), (self.height, height))
                if side is not None
            )
        # Measured on the result: rounding a small image's sides is no larger factor.
        size = max(1, round(height * factor)), max(1, round(width * factor))
        largest = min(LARGEST_FACTOR * max(height, width), LARGEST_SIDE)
        if max(size) > largest:
            raise ConfigError(
                f"a result of {size[1]} x {size[0]} px is too large: expected at most "
                f"{LARGEST_FACTOR} times the input of {width} x {height} px and {LARGEST_SIDE} px "
                f"a side, that is {largest} px on the longer side"
            )
        return size


def parse_size(text: str) -> OutputSize:
    """Reads a size.

    Args:
        text: `2x` or `1.5x` (a factor, up to 16), `3840x` (a width), `x2160` (a height),
            `3840x2160` (a box to fit into) or `12MP`.

    Raises:
        ConfigError: If it is none of these.
    """
    text = text.strip().lower()
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)mp", text):
        return OutputSize(megapixels=float(match[1]))
    if match := re.fullmatch(r"(\d*\.?\d+)x", text):
        number = float(match[1])
        if number <= LARGEST_FACTOR or not number.is_integer():
            return OutputSize(factor=number)
        return OutputSize(width=int(number))
    if match := re.fullmatch(r"(\d*)x(\d+)", text):
        return OutputSize(width=int(match[1]) if match[1] else None, height=int(match[2]))
    raise ConfigError(
        f"cannot read the size {text!r}; write 2x (factor), 3840x (width), x2160 (height), "
        "3840x2160 (box) or 12MP"
    )
