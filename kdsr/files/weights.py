"""Weights files: read strictly, freed of quantization, checked; written."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import read_safetensors, write_safetensors, writing
from ..errors import CheckpointError, explaining_shortage, reading
from ..model import KDSR
from ..network.architecture import infer_config, infer_role
from ..network.models import KEY, PREFIX, Calibration
from ..network.models import Teacher as KDSRTeacher
from ..pixels import extremes, float_problem

SCALE = ".scale"
"""Behind the name of an int8 tensor: the steps of its rows, bfloat16."""

_BLOCKS = "network.blocks."
"""Prefix of the quantised tensors: 70% of the weights of size m, and the least sensitive ones.
The estimator stays unchanged, and so its IDRs keep their meaning."""
_LARGEST = 127


def quantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rounds the kernels and matrices of the network's blocks to int8, the others to float16.

    Each value moves by at most half a step, its row's largest magnitude / 127. What `dequantize`
    gives of it is stored without any further loss.

    Args:
        state: A student's or teacher's tensors by our names.
    """
    stored = {key: tensor.half() for key, tensor in state.items()}
    for key, tensor in state.items():
        if key.startswith(_BLOCKS) and tensor.ndim > 1:
            # A step of 8 significant bits: its multiples up to 127 are exact in float32.
            step = tensor.flatten(1).abs().amax(1).div(_LARGEST).bfloat16()
            whole = tensor / _along_rows(step.where(step > 0, 1), tensor.ndim)
            stored[key] = whole.round().clamp(-_LARGEST, _LARGEST).to(torch.int8)
            stored[key + SCALE] = step
    return stored


def stored_dtype(path: Path) -> torch.dtype:
    """Dtype that `save_checkpoint` used for a safetensors file; int8 after `quantize`."""
    dtypes = {key: tensor.dtype for key, tensor in read_safetensors(path)[0].items()}
    return torch.int8 if torch.int8 in dtypes.values() else dtypes["network.head.weight"]


def dequantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, those of int8 in float32 and without their steps beside them.

    Raises:
        CheckpointError: If there is not one step for each row.
    """
    weights = dict(state)
    for key, tensor in state.items():
        if tensor.dtype != torch.int8 or key + SCALE not in state:
            continue
        step = weights.pop(key + SCALE)
        if tensor.ndim < 2 or step.shape != tensor.shape[:1] or not step.is_floating_point():
            raise CheckpointError(
                f"{key} needs one step for each row, a tensor of floats of shape "
                f"{tuple(tensor.shape[:1])}; {key}{SCALE} is {step.dtype} of {tuple(step.shape)}"
            )
        weights[key] = tensor.float() * _along_rows(step, tensor.ndim)
    return weights


def _along_rows(step: Tensor, ndim: int) -> Tensor:
    return step.float().reshape(-1, *[1] * (ndim - 1))


_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
"""Keys under which checkpoints hold their tensors; averaged weights first."""
_PREFIXES = re.compile(r"(?:module\.|_orig_mod\.)+")
"""Prefixes that DataParallel and `torch.compile` add to every name."""
LARGEST_WEIGHT = 1e6
"""Beyond any trained weight (theirs are below 10): a flipped bit makes about 1e36 of one."""


_CODE = re.compile(
    r"unsupported (global|class)|unrecognized function|can only (create|build)", re.I
)
"""PyTorch's message about a pickle with more than tensors; random bytes do not cause it."""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a file's tensors and string metadata.

    Every tensor is dense, on the CPU and of 16 to 64-bit floats (what is stored in int8, too); its
    values are not looked at.

    Args:
        path: `.safetensors`, or a pickle with any other suffix, opened with `weights_only=True`.

    Raises:
        CheckpointError: If the file is missing, damaged, of another format or holds code.
    """
    if path.suffix == ".safetensors":
        with reading(path, CheckpointError, "not a readable safetensors file"):
            tensors, metadata = read_safetensors(path)
            return _checked(dequantize(_unwrapped(tensors))), metadata
    with reading(path, CheckpointError, "the file is truncated or not a PyTorch checkpoint"):
        return _checked(_read_pickle(path)), {}


def as_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors in float32, each with memory of its own.

    Raises:
        CheckpointError: If one holds NaN, infinity or what no training gives.
    """
    for key, tensor in state.items():
        low, high = extremes(tensor)
        if not (low >= -LARGEST_WEIGHT and high <= LARGEST_WEIGHT):  # false for NaN
            raise CheckpointError(
                f"{key} holds values from {low:g} to {high:g}, where weights are finite and small: "
                "the file is damaged or its training diverged"
            )
    return {
        key: tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for key, tensor in state.items()
    }


def _read_pickle(path: Path) -> Any:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _CODE.search(str(error)):
            raise CheckpointError(
                "the pickle holds more than tensors and was not opened, because it could run "
                "code; ask its author for safetensors or a plain state dict"
            ) from None
        raise CheckpointError("not a PyTorch checkpoint, or a damaged one") from None
    return _unwrapped(loaded)


def _unwrapped(loaded: Any) -> Any:
    """The tensors themselves, by names without what wrappers of training put around them."""
    while isinstance(loaded, dict):
        inner = next((loaded[key] for key in _WRAPPERS if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        return loaded
    found = [_PREFIXES.match(key) for key in loaded]
    prefix = found[0][0] if found and found[0] else ""
    if not all(key.startswith(prefix) for key in loaded):
        return loaded
    return {key.removeprefix(prefix): value for key, value in loaded.items()}


def _checked(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        raise CheckpointError(f"expected a state dict of tensors, got {type(state).__name__}")
    for key, value in state.items():
        if not isinstance(key, str):
            raise CheckpointError(f"expected tensors with names, got the key {key!r}")
        if problem := float_problem(value):
            raise CheckpointError(f"expected {key} as a tensor of floats, {problem}")
    return state


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
        from .official import from_official  # only here: few files have these names

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

    Of a GAN source only `params_ema`, the weights it is used with, is kept.

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
    else:
        from .official import save_official

        save_official(model, target, overwrite=overwrite)
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


def is_official(state: dict[str, Tensor]) -> bool:
    """Whether the keys are the official code's."""
    return any(key.startswith(("G.", "E_st.", "E.E.")) for key in state)
