"""What travels between the nodes, and how their schemas are made."""

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

if TYPE_CHECKING:
    from ..kdsr import KDSR

CATEGORY = "KDSR"

ModelType = io.Custom("KDSR_MODEL")
"""A `LoadedModel`."""
IDRType = io.Custom("KDSR_IDR")
"""A `kdsr.IDR`."""

_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}
_KNOWS_ADVANCED = "advanced" in inspect.signature(io.Int.Input.__init__).parameters

ADVANCED: dict[str, Any] = {"advanced": True} if _KNOWS_ADVANCED else {}
"""Folds an input away, where ComfyUI can (0.10 and later)."""


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A KDSR model in ComfyUI's hands, which decide where its weights are."""

    patcher: Any
    """A `comfy.model_patcher.ModelPatcher`."""
    precision: str
    """auto, fp32, fp16 or bf16; see `kdsr.tiles.devices`."""

    @property
    def kdsr(self) -> "KDSR":
        """The model, on whatever device it is now."""
        return self.patcher.model


def schema(node_id: str, **fields: Any) -> io.Schema:
    """A schema in this pack's category, without the fields that this ComfyUI does not know."""
    fields = {name: value for name, value in fields.items() if name in _SCHEMA_FIELDS}
    return io.Schema(node_id=node_id, category=CATEGORY, **fields)
