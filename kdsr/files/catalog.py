"""The models that have a name: bundled with the package, or published on the Hub."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import HubError
from ..options import PURPOSES

CATALOG = Path(__file__).with_name("catalog.json")
"""What `list_models` reads."""
WEIGHTS = CATALOG.parents[1] / "weights"
"""Folder of the bundled weights that enlarge."""


@dataclass(frozen=True)
class CatalogEntry:
    """One model of `catalog.json`."""

    name: str
    """What people type."""
    repo: str | None
    """`owner/repo` on the Hub; None for a bundled file."""
    file: str
    """File in the repository, or the bundled one's name; see `path`."""
    revision: str | None
    """Commit that is downloaded: never a branch, which could move."""
    sha256: str
    """Of the file."""
    licence: str
    """Of the weights."""
    scale: int
    """Upscaling factor; 1 cleans and leaves the size."""
    purpose: str
    """What it is for, in a few words."""
    degradations: str
    """What it was trained on, in words."""
    serves: str | None = None
    """The purpose that it is the bundled model of, for its factor; see `models_by_factor`."""
    faithful: str | None = None
    """The model that a crisp one was trained on from; `crispness` blends the two."""

    @property
    def bundled(self) -> bool:
        """Whether the file comes with the package."""
        return self.repo is None

    @property
    def path(self) -> Path:
        """Of a bundled file.

        Models that enlarge nothing lie apart: programs that upscale list `WEIGHTS` as a whole.
        """
        return (WEIGHTS if self.scale > 1 else WEIGHTS.with_name("weights_x1")) / self.file

    @property
    def hub_id(self) -> str:
        """`owner/repo/file@revision`."""
        return f"{self.repo}/{self.file}@{self.revision}"


def list_models() -> list[CatalogEntry]:
    """All models that have a name."""
    entries = json.loads(CATALOG.read_text(encoding="utf-8"))
    return [CatalogEntry(**entry) for entry in entries]


def models_by_factor(
    entries: Iterable[CatalogEntry], purpose: str = "faithful"
) -> dict[int, CatalogEntry]:
    """The bundled models of a purpose, by factor; nothing is downloaded that nobody named.

    Args:
        entries: The catalog.
        purpose: One of `PURPOSES`.
    """
    return {entry.scale: entry for entry in entries if entry.bundled and entry.serves == purpose}


def find_model(name: str, entries: list[CatalogEntry]) -> CatalogEntry:
    """The entry of that name; of a purpose, the one with the largest factor.

    Raises:
        HubError: Naming the models there are.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    if found := models_by_factor(entries, name):
        return found[max(found)]
    raise HubError(
        f"unknown model {name!r}: choose {', '.join(PURPOSES)}, "
        f"{', '.join(entry.name for entry in entries)}, a path to a "
        ".safetensors, .pt or .pth file, or hf://owner/repo/file.safetensors[@revision]"
    )
