"""Errors that end a training."""

from kdsr.errors import KDSRError


class DataError(KDSRError):
    """Training images cannot be used."""


class TrainingError(KDSRError):
    """A training run cannot continue."""
