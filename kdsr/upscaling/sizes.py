"""Output sizes in text form (`2x`, `3840x`, `12MP`), and the network passes that reach them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ConfigError
from ..options import Size

LARGEST_FACTOR = 16
"""The most times that a result may be as large as its input, however the size is stated."""
LARGEST_SIDE = 65_536
"""The most pixels that a side of a result may have."""
_LARGEST_MEGAPIXELS = LARGEST_SIDE**2 / 1e6


@dataclass(frozen=True)
class OutputSize:
    """A wish for the size of the result; exactly one kind of it is set.

    Raises:
        ConfigError: If a number is out of range.
    """

    factor: float | None = None
    """Factor of the input's size."""
    width: int | None = None
    """Width in pixels; with `height`, the box that the result is fitted into."""
    height: int | None = None
    """Height in pixels."""
    megapixels: float | None = None
    """Number of pixels in millions."""

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

    def resolve(self, image: Size) -> Size:
        """The size of the result for an input of that size, its proportions kept.

        Raises:
            ConfigError: If it is more than `LARGEST_FACTOR` times the input, or than `LARGEST_SIDE`
                on a side.
        """
        if self.factor is not None:
            factor = self.factor
        elif self.megapixels is not None:
            factor = math.sqrt(self.megapixels * 1e6 / image.pixels)
        else:
            factor = min(
                side / length
                for side, length in ((self.width, image.width), (self.height, image.height))
                if side is not None
            )
        # Measured on the result: rounding a small image's sides is no larger factor.
        size = Size(max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        largest = min(LARGEST_FACTOR * image.longest, LARGEST_SIDE)
        if size.longest > largest:
            raise ConfigError(
                f"a result of {size} is too large: expected at most {LARGEST_FACTOR} times the "
                f"input of {image} and {LARGEST_SIDE} px a side, that is {largest} px on the "
                "longer side"
            )
        return size


def parse_size(text: str) -> OutputSize:
    """Reads a size.

    Args:
        text: `2x` or `1.5x` (a factor, up to 16), `3840w` (a width), `2160h` (a height),
            `3840x2160` (a box to fit into) or `12MP`.

    Raises:
        ConfigError: If it is none of these.
    """
    text = text.strip().lower()
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)mp", text):
        return OutputSize(megapixels=float(match[1]))
    if match := re.fullmatch(r"(\d+)([wh])", text):
        side = int(match[1])
        return OutputSize(width=side) if match[2] == "w" else OutputSize(height=side)
    if match := re.fullmatch(r"(\d+)x(\d+)", text):
        return OutputSize(width=int(match[1]), height=int(match[2]))
    if match := re.fullmatch(r"x(\d+)", text):
        raise ConfigError(f"{text!r}: write {match[1]}h for a height, 2x for a factor")
    if match := re.fullmatch(r"(\d*\.?\d+)x", text):
        factor = float(match[1])
        if factor > LARGEST_FACTOR and factor.is_integer():
            raise ConfigError(
                f"{text!r}: write {match[1]}w for a width; factors end in x and go up to "
                f"{LARGEST_FACTOR}x"
            )
        return OutputSize(factor=factor)
    raise ConfigError(
        f"cannot read the size {text!r}; write 2x (factor), 3840w (width), 2160h (height), "
        "3840x2160 (box) or 12MP"
    )


@dataclass(frozen=True)
class Pass:
    """One pass of a network."""

    factor: int
    """The network's factor."""
    size: Size
    """The size of its result; what `factor` makes beyond that is resized away."""


def plan_passes(source: Size, target: Size, factors: Iterable[int]) -> tuple[Pass, ...]:
    """The passes from one size to another, by the smallest factors that suffice.

    A network that is larger than what is needed costs in vain what is thrown away afterwards; one
    that is smaller would leave the rest to a bicubic filter, which adds blur and no detail.

    Args:
        source: Size of the image.
        target: Size of the result.
        factors: Available upscaling factors.

    Returns:
        One pass by the smallest factor that is large enough; beyond the largest factor two, the
        second by the smallest that will do. What the first makes beyond the second's need is
        resized away between them, where pixels are few.

    Raises:
        ConfigError: If two passes do not reach that far.
    """
    known = sorted(set(factors))
    one = _smallest(known, source, target)
    if one is not None:
        return (Pass(one, target),)
    for second in (factor for factor in known if factor > 1):
        between = Size(-(-target.width // second), -(-target.height // second))
        first = _smallest(known, source, between)
        if first is not None:
            return Pass(first, between), Pass(second, target)
    reached = known[-1] ** 2
    needed = max(target.height / source.height, target.width / source.width)
    raise ConfigError(
        f"a result {needed:.3g} times the input of {source} cannot be made by "
        f"{', '.join(f'x{factor}' for factor in known)}: expected at most x{reached}"
        + (", two passes" if reached > 1 else ", for that model cleans without enlarging")
    )


def _smallest(factors: list[int], source: Size, target: Size) -> int | None:
    """The smallest factor that makes at least `target` of `source`."""
    return next((factor for factor in factors if source.scaled(factor).covers(target)), None)
