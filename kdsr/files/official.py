"""Weights by the names of the official code: read and written."""

import io
import re
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import writing
from ..errors import CheckpointError, explaining_shortage
from ..model import KDSR
from ..network.architecture import RGB_MEAN
from ..network.models import Teacher as KDSRTeacher

_ESTIMATOR_PREFIX = {"student": "E_st", "teacher": "E"}


def to_official(state: dict[str, Tensor], role: str) -> dict[str, Tensor]:
    """Renames our state dict to the official names and adds the constant mean shifts.

    Args:
        state: A state dict of `KDSR` or `KDSRTeacher`.
        role: "student" or "teacher".
    """
    n_blocks = _count(state, r"network\.blocks\.(\d+)\.")
    n_resblocks = _count(state, r"estimator\.blocks\.(\d+)\.")
    official = _mean_shifts()
    for ours, theirs in _modules(n_blocks, n_resblocks, _ESTIMATOR_PREFIX[role]).items():
        for parameter in ("weight", "bias"):
            if f"{ours}.{parameter}" in state:
                official[f"{theirs}.{parameter}"] = state[f"{ours}.{parameter}"]
    return official


def from_official(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Renames an official state dict to our names; returns it with its role.

    Keys that no KDSR has are kept as they are, for the caller to name in its error.

    Raises:
        CheckpointError: If the constant mean shifts are not the published ones, or there is not
            exactly one estimator.
    """
    roles = [
        role
        for role, prefix in _ESTIMATOR_PREFIX.items()
        if any(key.startswith(f"{prefix}.") for key in state)
    ]
    if len(roles) != 1:
        found = "both a student's and a teacher's" if roles else "none"
        raise CheckpointError(
            "expected one degradation estimator (keys E_st.* for a student, E.* for a teacher), "
            f"found {found}; is this file complete, and is it KDSR?"
        )
    prefix = _ESTIMATOR_PREFIX[roles[0]]
    constants = _mean_shifts()
    for key, expected in constants.items():
        actual = state.get(key, expected)
        rounded = expected.to(actual.dtype).float()  # as files of half precision hold it
        if actual.shape != expected.shape or not torch.allclose(actual.float(), rounded, atol=1e-6):
            raise CheckpointError(
                f"{key} is not the published constant (DIV2K mean {RGB_MEAN}, std 1); "
                "a model with another normalisation cannot be used"
            )
    n_blocks = _count(state, r"G\.body\.0\.body\.(\d+)\.")
    n_resblocks = _count(state, rf"{prefix}\.E\.(\d+)\.body\.")
    names = {
        f"{theirs}.{parameter}": f"{ours}.{parameter}"
        for ours, theirs in _modules(n_blocks, n_resblocks, prefix).items()
        for parameter in ("weight", "bias")
    }
    renamed = {names.get(key, key): t for key, t in state.items() if key not in constants}
    return renamed, roles[0]


def _modules(n_blocks: int, n_resblocks: int, prefix: str) -> dict[str, str]:
    """Our module names -> the official ones, where activations take up index numbers too."""
    names = {"network.head": "G.head.0"}
    for i in range(n_blocks):
        block = f"G.body.0.body.{i}"
        names[f"network.blocks.{i}.predictor.hidden"] = f"{block}.da_conv1.kernel.0"
        names[f"network.blocks.{i}.predictor.out"] = f"{block}.da_conv1.kernel.2"
        names[f"network.blocks.{i}.conv"] = f"{block}.conv1"
    names["network.fuse"] = "G.body.1"
    for i in range(2):
        names[f"network.tail.up.{i}"] = f"G.tail.0.{2 * i}"
    names["network.tail.out"] = "G.tail.1"
    names["estimator.head"] = f"{prefix}.E.0"
    for i in range(n_resblocks):
        for j in range(2):
            names[f"estimator.blocks.{i}.conv{j + 1}"] = f"{prefix}.E.{2 + i}.body.{2 * j}"
    for i in range(3):
        names[f"estimator.widen.{i}"] = f"{prefix}.E.{2 + n_resblocks + 2 * i}"
    for i in range(2):
        names[f"estimator.mlp.{i}"] = f"{prefix}.mlp.{2 * i}"
    names["estimator.compress"] = f"{prefix}.compress.0"
    return names


def _mean_shifts() -> dict[str, Tensor]:
    mean = torch.tensor(RGB_MEAN)
    return {
        "G.sub_mean.weight": torch.eye(3).reshape(3, 3, 1, 1),
        "G.sub_mean.bias": -mean,
        "G.add_mean.weight": torch.eye(3).reshape(3, 3, 1, 1),
        "G.add_mean.bias": mean,
    }


def _count(state: dict[str, Tensor], pattern: str) -> int:
    return len({m[1] for key in state if (m := re.match(pattern, key))})


def save_official(model: KDSR | KDSRTeacher, path: Path, *, overwrite: bool = True) -> None:
    """Writes a model as a pickle with the official names, whole or not at all.

    Args:
        model: Student or teacher.
        path: A `.pt` file is a plain state dict (classic); a `.pth` file holds it under both
            `params` and `params_ema` (GAN).
        overwrite: Whether a file that exists is replaced.

    Raises:
        OSError: If it cannot be written; see `kdsr.atomic.writing`.
    """
    state = to_official(model.state_dict(), model.role)
    packed = io.BytesIO()
    content = {"params": state, "params_ema": state} if path.suffix == ".pth" else state
    with explaining_shortage(f"to write {path}"):
        torch.save(content, packed)
    with writing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(packed.getbuffer())
