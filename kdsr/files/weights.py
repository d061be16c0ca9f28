"""Weights files: read with every problem named, written whole or not at all."""

import io
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import writing
from ..errors import CheckpointError
from ..file_errors import reading
from ..memory import explaining_shortage
from ..model import KDSR
from ..network.calibration import KEY, PREFIX, Calibration
from ..network.config import infer_config, infer_role
from ..network.models import Teacher as KDSRTeacher
from ..safetensors_files import write_safetensors
from .official_names import from_official, is_official, to_official
from .quantized import quantize
from .tensors import as_weights, read_tensors

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
