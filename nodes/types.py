"""Types of values that pass between nodes, and helpers for their schemas."""

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

if TYPE_CHECKING:
    from ..kdsr import KDSR

FIRST, IDRS, MORE = "KDSR", "KDSR/IDR", "KDSR/more"
"""Categories: what most people need, what works with IDRs, and the rest."""

ModelType = io.Custom("KDSR_MODEL")
"""A `nodes.models.Models`."""
IDRType = io.Custom("KDSR_IDR")
"""A `kdsr.IDR`."""

_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A KDSR model in ComfyUI's hands, which decide where its weights are."""

    name: str
    """Name for people, from the catalog or the file."""

    patcher: Any
    """A `comfy.model_patcher.ModelPatcher`."""
    precision: str
    """auto, fp32, fp16 or bf16; see `kdsr.tiles.work`."""

    @property
    def kdsr(self) -> "KDSR":
        """The model, on whatever device it is now."""
        return self.patcher.model


def told(given: Any, **extra: Any) -> Any:
    """An input with more for the page to know; not every version takes that when it is made."""
    given.extra_dict = {**(given.extra_dict or {}), **extra}
    return given


def advanced(given: Any) -> Any:
    """An input that is folded away. Pages could do that before ComfyUI (0.10) had a name for it."""
    if hasattr(given, "advanced"):
        given.advanced = True
        return given
    return told(given, advanced=True)


def schema(node_id: str, category: str = MORE, **fields: Any) -> io.Schema:
    """A schema of this pack, without the fields that this ComfyUI does not know.

    Search words, where it knows none (before 0.11), go with the first input: see web/search.js.
    """
    if "search_aliases" not in _SCHEMA_FIELDS:
        first, *others = fields["inputs"]
        first = told(copy.copy(first), kdsr_aliases=fields["search_aliases"])  # nodes share inputs
        fields["inputs"] = [first, *others]
    fields = {name: value for name, value in fields.items() if name in _SCHEMA_FIELDS}
    return io.Schema(node_id=node_id, category=category, **fields)
