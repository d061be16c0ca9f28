"""Which factors lead to a size: one pass of a network, or two, and nothing enlarged twice as far.

A network that is larger than what is needed costs in vain what is thrown away afterwards; one that
is smaller would leave the rest to a bicubic filter, which adds blur and no detail.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ConfigError


@dataclass(frozen=True)
class Pass:
    """One run of a network."""

    factor: int
    """Of the network."""
    size: tuple[int, int]
    """(height, width) of its result; what `factor` makes beyond that is resized away."""


def plan_passes(
    source: tuple[int, int], target: tuple[int, int], factors: Iterable[int]
) -> tuple[Pass, ...]:
    """The passes from one size to another, by the smallest factors that suffice.

    Args:
        source: (height, width) of the image.
        target: Of the result.
        factors: That there are networks for.

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
        between = (-(-target[0] // second), -(-target[1] // second))
        first = _smallest(known, source, between)
        if first is not None:
            return Pass(first, between), Pass(second, target)
    reached = known[-1] ** 2
    needed = max(target[0] / source[0], target[1] / source[1])
    raise ConfigError(
        f"a result {needed:.3g} times the input of {source[1]} x {source[0]} px cannot be made by "
        f"{', '.join(f'x{factor}' for factor in known)}: expected at most x{reached}"
        + (", two passes" if reached > 1 else ", for that model cleans without enlarging")
    )


def _smallest(factors: list[int], source: tuple[int, int], target: tuple[int, int]) -> int | None:
    """The smallest factor that makes at least `target` of `source`."""
    return next(
        (f for f in factors if f * source[0] >= target[0] and f * source[1] >= target[1]), None
    )
