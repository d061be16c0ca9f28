"""Weights files, ours and official ones: read strictly, written, converted."""

import io
import re
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import write_safetensors, writing
from ..errors import CheckpointError, explaining_shortage, reading
from ..model import KDSR
from ..network.architecture import RGB_MEAN, infer_config, infer_role
from ..network.models import KEY, PREFIX, Calibration
from ..network.models import Teacher as KDSRTeacher
from .tensors import as_weights, quantize, read_tensors

_ESTIMATOR_PREFIX = {"student": "E_st", "teacher": "E"}


def is_official(state: dict[str, Tensor]) -> bool:
    """Whether the keys are the official code's."""
    return any(key.startswith(("G.", "E_st.", "E.E.")) for key in state)


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


FORMAT = "kdsr-1"
"""Value of the metadata key `format` in our safetensors files."""

_NAMED = 6  # problems of one kind that an error spells out


def load_checkpoint(path: str | Path) -> KDSR | KDSRTeacher:
    """Reads a student or teacher, its configuration inferred from the tensors.

    Args:
        path: `.safetensors` with our names, or an official `.pt` / `.pth` (a plain state dict, or
            `{'params', 'params_ema'}`, of which the averaged weights are taken). Pickles are
            opened with `weights_only=True`: code in them is refused.

    Returns:
        The model in float32 on the CPU, in eval mode, with `metadata` and `source` set.

    Raises:
        CheckpointError: Naming the file and what is wrong with it.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path)
    with reading(path, CheckpointError, "not a KDSR model"):
        model = _build({k: t for k, t in tensors.items() if not k.startswith(PREFIX)})
        kept = {k[len(PREFIX) :]: t for k, t in tensors.items() if k.startswith(PREFIX)}
        model.calibration = Calibration.from_file(kept, metadata, 4 * model.config.n_feats)
    model.metadata = {key: value for key, value in metadata.items() if key != KEY}
    model.source = path
    if isinstance(model, KDSR):
        with explaining_shortage(f"to prepare {path}"):
            model.freeze()
    return model


def _build(state: dict[str, Tensor]) -> KDSR | KDSRTeacher:
    """The model that tensors belong to.

    Raises:
        CheckpointError: If there is none; found out from names and shapes before any memory is
            taken for it.
        ConfigError: If its size is out of range.
    """
    if "composed.weight" in state:
        raise CheckpointError(
            "this network has its IDR built in (baked) and cannot estimate; load it as an upscale "
            "model (ComfyUI's Load Upscale Model, spandrel), or load the model it was baked from"
        )
    if is_official(state):
        state, role = from_official(state)
    else:
        role = infer_role(state)
    config = infer_config(state)
    with torch.device("meta"):
        model = KDSR(config) if role == "student" else KDSRTeacher(config)
    check_keys(state, model.state_dict())
    model.load_state_dict(as_weights(state), assign=True)
    return model.eval().requires_grad_(False)


def load_student(path: str | Path) -> KDSR:
    """Like `load_checkpoint`, but refuses a teacher, which cannot run without ground truth."""
    model = load_checkpoint(path)
    if not isinstance(model, KDSR):
        raise CheckpointError(
            f"{path}: this is a teacher, which needs the ground truth to run; "
            "upscaling needs the student that was distilled from it"
        )
    return model


def save_checkpoint(
    model: KDSR | KDSRTeacher,
    path: str | Path,
    metadata: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    overwrite: bool = True,
) -> None:
    """Writes a model as safetensors, its configuration in the metadata, whole or not at all.

    Args:
        model: Student or teacher.
        path: Ends in `.safetensors`.
        metadata: Added to the model's own metadata; strings only.
        dtype: float32; float16 for half the size; int8 for a third: see `quantize`.
        overwrite: Whether a file that exists is replaced.

    Raises:
        OSError: If it cannot be written; see `kdsr.atomic.writing`.
    """
    config = model.config
    described = {
        **model.metadata,
        **(metadata or {}),
        "format": FORMAT,
        "role": model.role,
        "scale": str(config.scale),
        "n_feats": str(config.n_feats),
        "n_blocks": str(config.n_blocks),
        "n_resblocks": str(config.n_resblocks),
    }
    state = {key: tensor.detach().cpu() for key, tensor in model.state_dict().items()}
    if dtype == torch.int8:
        state = quantize(state)
    else:
        state = {key: tensor.to(dtype) for key, tensor in state.items()}
    if model.calibration is not None:  # small, and its errors matter: always in float32
        state |= model.calibration.tensors()
        described |= model.calibration.metadata()
    with (
        explaining_shortage(f"to write {path}"),
        writing(Path(path), overwrite=overwrite) as temporary,
    ):
        write_safetensors(temporary, state, described)


def convert(
    source: str | Path, target: str | Path, *, overwrite: bool = True
) -> KDSR | KDSRTeacher:
    """Converts official -> safetensors or back, bit for bit; the suffixes say which way.

    A `.pt` target is a plain state dict (classic); a `.pth` target holds it under both `params`
    and `params_ema` (GAN). Of a GAN source only `params_ema`, the weights it is used with, is kept.

    Returns:
        The model that was converted.

    Raises:
        CheckpointError: If the source cannot be read or the target's suffix is not known.
        OSError: If the target cannot be written; see `kdsr.atomic.writing`.
    """
    target = Path(target)
    if target.suffix not in (".safetensors", ".pt", ".pth"):
        raise CheckpointError(
            f"cannot tell the format of {target}: end it in .safetensors, .pt or .pth"
        )
    model = load_checkpoint(source)
    if target.suffix == ".safetensors":
        save_checkpoint(model, target, overwrite=overwrite)
        return model
    state = to_official(model.state_dict(), model.role)
    packed = io.BytesIO()
    content = {"params": state, "params_ema": state} if target.suffix == ".pth" else state
    with explaining_shortage(f"to write {target}"):
        torch.save(content, packed)
    with writing(target, overwrite=overwrite) as temporary:
        temporary.write_bytes(packed.getbuffer())
    return model


def check_keys(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuses tensors of other names or shapes than a network has.

    Raises:
        CheckpointError: Naming some of them.
    """
    problems = []
    for word, keys in (
        ("missing", [key for key in expected if key not in state]),
        ("unexpected", [key for key in state if key not in expected]),
    ):
        if keys:
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            problems.append(f"{word}: {', '.join(keys[:_NAMED])}{more}")
    shapes = [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    if shapes:
        problems.append(f"wrong shape: {'; '.join(shapes[:_NAMED])}")
    if problems:
        raise CheckpointError("; ".join(problems))
