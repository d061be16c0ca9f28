"""What a model is, read off the names and shapes of its tensors."""

from collections.abc import Mapping

from torch import Tensor

from ..errors import CheckpointError
from .config import KDSRConfig

_TAIL = "network.tail"


def infer_config(state: Mapping[str, Tensor]) -> KDSRConfig:
    """Reads the configuration off the tensors' names and shapes.

    Raises:
        CheckpointError: If the tensors that tell are not there.
    """
    enlarges = any(key.startswith(f"{_TAIL}.up.") for key in state)
    head = state.get("network.head.weight")
    tail = state.get(f"{_TAIL}.up.0.weight" if enlarges else f"{_TAIL}.out.weight")
    if head is None or tail is None or 0 in head.shape or head.ndim != 4 or tail.ndim != 4:
        found = ", ".join(list(state)[:3]) or "no tensors"
        raise CheckpointError(f"this is not a KDSR model (its first tensors: {found})")
    n_feats = head.shape[0]
    step = round((tail.shape[0] / n_feats) ** 0.5) if enlarges else 1
    return KDSRConfig(
        scale=4 if f"{_TAIL}.up.1.weight" in state else step,
        n_feats=n_feats,
        n_blocks=_count_blocks(state, "network.blocks."),
        n_resblocks=_count_blocks(state, "estimator.blocks."),
    )


def infer_role(state: Mapping[str, Tensor]) -> str:
    """Says "student" if the estimator sees the LQ image alone, else "teacher"."""
    head = state.get("estimator.head.weight")
    return "student" if head is None or head.ndim != 4 or head.shape[1] == 3 else "teacher"


def _count_blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})
