"""A baked network as safetensors: a model of its own, for programs that load with spandrel."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import write_safetensors, writing
from ..errors import CheckpointError
from ..network.architecture import KDSRConfig
from ..network.baked import BakedKDSR
from .weights import as_weights, check_keys

FORMAT = "kdsr-baked-1"
"""Value of the metadata key `format`."""
KEYS = (
    "mean",
    "head.weight",
    "depthwise.0.weight",
    "convs.0.weight",
    "fuse.weight",
    "tail.out.weight",
    "composed.weight",
)
"""Names that every such file has, and all of them together no other."""


def save_baked(
    baked: BakedKDSR,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Writes a baked network in float32, whole or not at all; see `kdsr.atomic.writing`.

    Args:
        baked: Network with any dtype, on any device.
        path: Ends in `.safetensors`.
        metadata: Metadata of the file, strings only.
        overwrite: Whether a file that exists is replaced.
    """
    described = {**(metadata or {}), "format": FORMAT, "scale": str(baked.scale)}
    state = {
        key: tensor.detach().to("cpu", torch.float32).contiguous()
        for key, tensor in baked.state_dict().items()
    }
    with writing(Path(path), overwrite=overwrite) as temporary:
        write_safetensors(temporary, state, described)


def build_baked(state: dict[str, Tensor]) -> BakedKDSR:
    """The network that tensors belong to, in float32 on the CPU.

    Raises:
        CheckpointError: If they do not belong together or are not finite.
        ConfigError: If its size is out of range.
    """
    head, composed = state.get("head.weight"), state.get("composed.weight")
    if head is None or composed is None or head.ndim != 4 or composed.ndim != 4:
        raise CheckpointError(f"not a baked KDSR network (its first tensors: {list(state)[:3]})")
    config = KDSRConfig(
        scale=round((composed.shape[0] / 3) ** 0.5),
        n_feats=head.shape[0],
        n_blocks=sum(key.startswith("depthwise.") for key in state),
        n_resblocks=1,  # of the estimator, which is gone
    )
    with torch.device("meta"):
        baked = BakedKDSR(config)
    check_keys(state, baked.state_dict())
    baked.load_state_dict(as_weights(state), assign=True)
    return baked.eval().requires_grad_(False)
