"""The promise about anything bad: one printable line, of this package's own errors."""

from collections.abc import Callable
from typing import TypeVar

from kdsr.errors import KDSRError

_T = TypeVar("_T")
Refused = Callable[..., str]
"""Runs a command that must refuse; returns what it says."""


def outcome(work: Callable[[], _T]) -> _T | str:
    """Returns the work's result, or the message of its refusal; other exceptions pass through.

    Fails if the message is not one line that a terminal shows as it is.
    """
    try:
        return work()
    except KDSRError as error:
        message = str(error)
    assert message
    assert message.isprintable()
    return message
