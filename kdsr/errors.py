"""Errors meant for users: each message says what was expected, what came and what to do."""

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (bidi), surrogate, line separators


def printable(text: str) -> str:
    """One line that a terminal shows as it is: control characters become their escapes.

    File names, metadata and tensor names come from strangers. As they are they could move the
    cursor, change what was printed before, or fail to encode.
    """
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character
        for character in text
    )


class KDSRError(ValueError):
    """Base class of every error that a user can cause and mend; its message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConfigError(KDSRError):
    """A configuration that cannot be built; lists every problem, not only the first."""


class CheckpointError(KDSRError):
    """A weights file that cannot be read as the KDSR model that was asked for."""


class HubError(KDSRError):
    """A model that could not be found, downloaded or verified."""


class ImageError(KDSRError):
    """An image file or tensor that cannot be upscaled."""


class VideoError(KDSRError):
    """A video that cannot be read, or written."""


class ClusterError(KDSRError):
    """A cluster that cannot be reached, or whose workers cannot do the work."""


class IDRError(KDSRError):
    """An IDR that does not fit the model, the batch or the file format."""


class OutOfMemoryError(KDSRError):
    """Work that takes more memory than there is, however little is done at a time."""


class Cancelled(Exception):  # noqa: N818 - a request that was honoured, not an error
    """The caller asked to stop; no partial result is returned."""
