"""A module as an ONNX file that says what it is fed with and what comes out."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic import writing
from ..errors import ConfigError

OPSET = 18
"""The newest that the oldest runtimes in use read; nothing here needs more."""
LARGEST_SIDE = 32_768
"""LQ pixels that a file takes along an axis: some bound is needed by PyTorch 2.4, which otherwise
fails at the sides whose rows 32-bit numbers cannot count."""


@dataclass(frozen=True)
class Traced:
    """A module with what it is traced with."""

    module: nn.Module
    """In evaluation mode, on the CPU."""
    inputs: dict[str, Tensor]
    """Example arguments in order, by the names that they have in the file."""
    free: tuple[dict[int, Any] | None, ...]
    """Which dimensions of each argument are free; None where none is."""
    outputs: Sequence[str]
    """Names of the results, in order."""


def free_sides(least: int) -> dict[int, Any]:
    """Free height and width of an image, (B, C, H, W), of at least so many LQ pixels."""
    return {
        2: torch.export.Dim("height", min=least, max=LARGEST_SIDE),
        3: torch.export.Dim("width", min=least, max=LARGEST_SIDE),
    }


def write_onnx(
    traced: Traced, path: str | Path, facts: Mapping[str, object], *, overwrite: bool = True
) -> None:
    """Writes one ONNX file, weights inside.

    Args:
        traced: What to write.
        path: Written whole or not at all, see `kdsr.atomic.writing`.
        facts: For the file's metadata; what is no string is kept as JSON.
        overwrite: Whether a file that exists is replaced.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    _check_packages()
    with _without_chatter():
        program = torch.onnx.export(
            traced.module,
            tuple(traced.inputs.values()),
            input_names=list(traced.inputs),
            output_names=list(traced.outputs),
            dynamic_shapes=traced.free,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update({k: _as_text(v) for k, v in facts.items()})
    with writing(Path(path), overwrite=overwrite) as temporary:
        temporary.write_bytes(program.model_proto.SerializeToString())


def _check_packages() -> None:
    """PyTorch itself says so only after it has traced the module."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX export needs the packages onnx and onnxscript ({error}): "
            "pip install onnx onnxscript"
        ) from None


def _as_text(fact: object) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """PyTorch tells users of packages that it misses, and of its own deprecations."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
