"""Tensors into a safetensors file, straight from their own memory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8"}


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
