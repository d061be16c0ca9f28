"""Atomic writing of files, and checked reading and writing of safetensors files."""

import errno
import json
import os
import re
import secrets
import shutil
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .errors import KDSRError

if TYPE_CHECKING:
    from torch import Tensor


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PART = re.compile(r"\.kdsr-[0-9a-f]{16}\.part")
_DAY = 86_400  # seconds
_SPECIAL = "it is a device, pipe or socket, which is never replaced; name a file"
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}

_unfinished: dict[Path, list[Path]] = {}  # part -> folders made for it, the deepest first
_swept: set[Path] = set()  # folders


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yields a temporary file beside `path` that takes its place when the block succeeds.

    On any error, an interrupt included, the temporary file is removed, with the folders that were
    made for it, and `path` is as it was. What a killed process left behind is removed by the next
    process, on any machine, when it first writes into that folder: a lock that the file system
    holds says which files are still being written. Write with Python's own files: libraries that
    write by themselves report a full disk in words of their own, or abort.

    Args:
        path: The file; missing folders are made. A link stays a link to the file that is written.
        overwrite: Whether a file that exists is replaced, its permissions kept.

    Raises:
        FileExistsError: If there is a file at `path` and `overwrite` is not set, even one that
            another process made during the block; or anything that is no regular file, such as a
            device: that is never replaced.
        OSError: If the disk refuses; `strerror` then names it and `filename` is `path`.
    """
    target = Path(os.path.realpath(path))
    part = target.parent / f".kdsr-{secrets.token_hex(8)}.part"
    made = [folder for folder in target.parents if not folder.exists()]
    _unfinished[part] = made
    try:
        _check_regular(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent not in _swept:  # once: listing a folder of a million files takes a second
            _swept.add(target.parent)
            sweep(target.parent)
        # Nobody may read a private file's new content meanwhile; a new file follows the umask.
        with _locked(part, 0o600 if target.exists() else 0o666):
            mode = (target if target.exists() else part).stat().st_mode
            yield part
            part.chmod(stat.S_IMODE(mode))
            _check_regular(target)
            _publish(part, target, overwrite=overwrite)
    except OSError as error:
        _remove(part, made)
        if error.filename not in (None, str(part), str(target), part):
            raise
        raise OSError(error.errno, _reason(error, target), str(path)) from None
    except BaseException:
        _remove(part, made)
        raise
    finally:
        del _unfinished[part]


def abandon() -> None:
    """Removes what is being written just now; for a process that is about to end without a word."""
    for part, made in list(_unfinished.items()):
        _remove(part, made)


def sweep(folder: Path, *, below: bool = False) -> None:
    """Removes the parts that processes left behind when they were killed, on whatever machine.

    `writing` does that, once in a process, for each folder it writes into.

    Args:
        folder: Folder to search; it need not exist.
        below: Look into its subfolders too.
    """
    with suppress(OSError):
        for path in folder.rglob("*.part") if below else folder.glob("*.part"):
            if _PART.fullmatch(path.name):
                _remove_if_stale(path)


def _publish(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)  # unlike a rename, never over a file
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: claim the name, then replace the claim
        target.touch(exist_ok=False)
        try:
            part.replace(target)
        except BaseException:
            target.unlink()
            raise
    else:
        part.unlink()


def _remove(part: Path, made: list[Path]) -> None:
    with suppress(OSError):
        part.unlink()
    with suppress(OSError):  # others may have put something in
        for folder in made:
            folder.rmdir()


@contextmanager
def _locked(part: Path, mode: int) -> Iterator[None]:
    """Makes a file, and holds a lock on it that ends with the process, whatever ends that."""
    while True:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode), "rb") as file:  # noqa: PTH123
            _lock(file)
            if not _is_at(part, file):  # swept between the two: nothing was lost yet
                continue
            if fcntl is None:
                file.close()  # Windows does not rename what is open
            yield
            return


def _remove_if_stale(part: Path) -> None:
    """Removes a part that nobody holds the lock on."""
    if fcntl is None:
        if time.time() - part.stat().st_mtime > _DAY:
            part.unlink()
        return
    with part.open("rb") as file:
        held = _lock(file)
        if held is None and time.time() - part.stat().st_mtime <= _DAY:
            return  # a file system without locks
        if held is not False and _is_at(part, file):
            part.unlink()


def _lock(file: BinaryIO) -> bool | None:
    """Whether the lock on a file was acquired; None if the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _check_regular(target: Path) -> None:
    """Raises an error if the target exists and is no regular file, such as a device."""
    with suppress(FileNotFoundError):
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise FileExistsError(errno.EEXIST, _SPECIAL, str(target))


def _reason(error: OSError, target: Path) -> str:
    """The system's error message, with the disk's name and free space for disk errors."""
    if error.errno == errno.EEXIST:
        return _SPECIAL if error.strerror == _SPECIAL else "it exists and is not replaced"
    reason = error.strerror or str(error)
    if error.errno not in _DISK_ERRORS:
        return reason
    folder = next(parent for parent in target.parents if parent.exists())
    disk = next(parent for parent in (folder, *folder.parents) if os.path.ismount(parent))
    return f"{reason} (disk {disk}, {shutil.disk_usage(disk).free / 1e6:,.0f} MB free)"


_LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit
_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8"}


def read_safetensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """A safetensors file's tensors and metadata; call it inside `kdsr.errors.reading`.

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
        tensors: Tensors on the CPU, int8 or 16 to 64-bit floats.
        metadata: Metadata of the file.
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
