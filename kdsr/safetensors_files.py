"""Safetensors files: what is wrong with one is said, and one is written without a second copy."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import KDSRError

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit
_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8"}


def read_safetensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """A safetensors file's tensors and metadata; call it inside `kdsr.file_errors.reading`.

    Raises:
        KDSRError: If it is truncated or not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    except SafetensorError:
        size, expected = path.stat().st_size, _expected_size(path)
        if size < expected:
            raise KDSRError(
                f"the file is truncated: {size} of {expected} bytes; download or copy it again"
            ) from None
        raise


def _expected_size(path: Path) -> int:
    """Bytes that a safetensors file has by its header; 0 if that cannot be read."""
    try:
        with path.open("rb") as file:
            (header_size,) = struct.unpack("<Q", file.read(8))
            if header_size > _LARGEST_HEADER:
                return 0
            header = json.loads(file.read(header_size))
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        return 8 + header_size + max(ends, default=0)
    except Exception:  # noqa: BLE001 - it is damaged: anything may be in it
        return 0


def write_safetensors(
    path: Path, tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]
) -> None:
    """Writes a safetensors file; call it inside `kdsr.atomic.writing`.

    The safetensors package makes two copies of all tensors first, and where there is no memory for
    them it prints a traceback by itself.

    Args:
        path: The file.
        tensors: Of int8 or 16 to 64-bit floats, on the CPU.
        metadata: Kept with them.
    """
    # The widest first, so that each lies at a multiple of its own width; then by name.
    items = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    # Sorted, too: what is read from such a file comes in another order every time.
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, tensor in items:
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[str(tensor.dtype).removeprefix("torch.")],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    packed = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)
    with path.open("wb") as file:
        file.write(len(packed).to_bytes(8, "little") + packed)
        for _, tensor in items:
            file.write(_bytes(tensor))


def _bytes(tensor: "Tensor") -> memoryview:
    """A dense tensor's values as they lie in memory; a copy only of one with gaps."""
    import torch

    flat = tensor.detach().contiguous().reshape(-1)
    if flat.numel() == 1:  # one value counts as contiguous whatever its stride, which `view` minds
        flat = flat.reshape(()).clone().reshape(1)
    return flat.view(torch.uint8).numpy().data
