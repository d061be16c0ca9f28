"""Checks of options: a sentence for each problem, and one error with all of them."""

import math
from collections.abc import Iterable
from typing import Any

from kdsr.errors import ConfigError


def outside(options: Any, names: Iterable[str], low: float, high: float = math.inf) -> list[str]:
    """Problems of the named options outside of `low` to `high`; None is always allowed."""
    allowed = f"at least {low}" if high == math.inf else f"{low} to {high}"
    return [
        f"{name} must be {allowed}, got {value}"
        for name in names
        if (value := getattr(options, name)) is not None and not low <= value <= high
    ]


def no_range(options: Any, name: str, low: float = 1e-3, high: float = math.inf) -> list[str]:
    """The problem of `min_NAME` and `max_NAME` that are reversed or exceed `low` to `high`."""
    first, last = getattr(options, f"min_{name}"), getattr(options, f"max_{name}")
    if low <= first <= (math.inf if last is None else last) <= high:
        return []
    most = "" if high == math.inf else f" <= {high:g}"
    return [f"expected {low:g} <= min_{name} <= max_{name}{most}, got {first} and {last}"]


def refuse(options: object, *problems: list[str]) -> None:
    """Raises an error if there are problems.

    Raises:
        ConfigError: Names them all, each with the name of the options.
    """
    name = type(options).__name__.removesuffix("Options").lower()
    if listed := [f"{name}: {problem}" for found in problems for problem in found]:
        raise ConfigError("; ".join(listed))
