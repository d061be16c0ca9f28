"""Errors meant for users: each message says what was expected, what came and what to do."""


class KDSRError(ValueError):
    """Base class of every error that a user can cause and mend."""


class ConfigError(KDSRError):
    """A configuration that cannot be built; lists every problem, not only the first."""


class CheckpointError(KDSRError):
    """A weights file that cannot be read as the KDSR model that was asked for."""


class HubError(KDSRError):
    """A model that could not be found, downloaded or verified."""


class ImageError(KDSRError):
    """An image file or tensor that cannot be upscaled."""


class IDRError(KDSRError):
    """An IDR that does not fit the model, the batch or the file format."""


class Cancelled(Exception):  # noqa: N818 - a request that was honoured, not an error
    """The caller asked to stop; no partial result is returned."""
