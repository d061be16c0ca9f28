"""What other libraries log, kept away from people who did not ask for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_PACKAGE = __name__.rpartition(".")[0]  # inside ComfyUI it has another name


@contextmanager
def hushed(*names: str) -> Iterator[None]:
    """In the block these loggers say nothing below an error, unless this package logs its details.

    For libraries that write to the terminal by themselves, several lines for what is one of ours.

    Args:
        names: Of the loggers.
    """
    if logging.getLogger(_PACKAGE).isEnabledFor(logging.DEBUG):
        yield
        return
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
