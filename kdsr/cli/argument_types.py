"""What people type, read as what it means; anything else is a wrong argument."""

import argparse
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigError
from ..upscaling.sizes import OutputSize, parse_size


def some_name(text: str) -> str:
    """A name; what an unset variable of a shell would turn into the current folder is refused."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or folder, got nothing")
    return text


def some_path(text: str) -> Path:
    """A file or folder."""
    return Path(some_name(text))


def number_or(*words: str) -> Callable[[str], int | str]:
    """A number of pixels, or one of some words."""

    def parse(text: str) -> int | str:
        if text in words:
            return text
        try:
            return int(text)
        except ValueError:
            expected = ", ".join(words)
            raise argparse.ArgumentTypeError(
                f"expected a number of pixels or one of {expected}, got {text!r}"
            ) from None

    return parse


def output_factor(text: str) -> OutputSize:
    """A factor: `2`, `x2` or `2x`."""
    try:
        factor = float(text.lower().strip("x"))  # x2 and 2x are what people write, too
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a factor such as 2, got {text!r}") from None
    try:
        return OutputSize(factor=factor)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def output_size(text: str) -> OutputSize:
    """A size; see `kdsr.upscaling.sizes.parse_size`."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
