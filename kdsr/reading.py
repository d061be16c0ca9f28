"""Reading files that people name: whatever goes wrong becomes one error that names the file."""

import errno
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import KDSRError
from .memory import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


@contextmanager
def reading(path: Path, kind: type[KDSRError], damaged: str) -> Iterator[None]:
    """Runs a decoder: a file that is missing, unreadable or damaged raises `kind`.

    Decoders throw anything at damaged files (struct.error, AssertionError, IndexError,
    RecursionError, ...), so nobody lists exceptions. Errors of this package raised in the block
    need not name the file.

    Args:
        path: The file.
        kind: Of error to raise.
        damaged: What to say where the content is at fault, as in "the image is damaged".

    Raises:
        KDSRError: Of that kind, with one line that begins with the path.
    """
    try:
        _check_file(path)
        yield
    except KDSRError as error:
        raise kind(f"{path}: {error}") from None
    except BaseException as error:  # that is what this function is for
        if not isinstance(error, Exception) and not is_out_of_memory(error):
            raise
        raise kind(f"{path}: {_reason(error, damaged)}") from None


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise KDSRError("a folder or device, not a file" if path.exists() else "no such file")
    with path.open("rb") as file:
        if not file.read(1):
            raise KDSRError("the file is empty (0 bytes)")


def _reason(error: BaseException, damaged: str) -> str:
    if is_out_of_memory(error):
        return (
            "there is not enough memory to read it; close other programs, or get the file again if "
            "it is damaged and asks for too much"
        )
    # Decoders seek to where damaged files send them, which is EINVAL; the rest is the disk's word.
    if isinstance(error, OSError) and error.strerror and error.errno != errno.EINVAL:
        return f"the file cannot be read: {error.strerror}"
    detail = next(iter(str(error).strip().splitlines()), "")
    return f"{damaged} ({detail or type(error).__name__})"


def read_safetensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """A safetensors file's tensors and metadata; call it inside `reading`.

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
