"""Which of the models that have a name upscale by which factor."""

from collections.abc import Iterable

from ..options import DEFAULT_MODEL
from .catalog import CatalogEntry


def models_by_factor(entries: Iterable[CatalogEntry]) -> dict[int, CatalogEntry]:
    """The model that is meant where a size is named and no model.

    Args:
        entries: The catalog.

    Returns:
        For each factor the default model, or else the first bundled one: nothing is downloaded
        that nobody named.
    """
    chosen: dict[int, CatalogEntry] = {}
    for entry in entries:
        if entry.bundled and (entry.name == DEFAULT_MODEL or entry.scale not in chosen):
            chosen[entry.scale] = entry
    return chosen
