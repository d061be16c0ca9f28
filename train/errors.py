"""What ends a training, in words."""

from kdsr.errors import KDSRError


class DataError(KDSRError):
    """Training images that cannot be used."""


class TrainingError(KDSRError):
    """A run that cannot go on."""
