"""Files that are whole or not there, whatever ends the run: the one way to write them."""

import errno
import os
import re
import secrets
import shutil
import socket
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # process numbers mean nothing elsewhere
_PART = re.compile(r"\.kdsr-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,9})-[0-9a-f]{8}\.part")
_DAY = 86_400  # seconds
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}

_unfinished: dict[Path, list[Path]] = {}  # part -> folders made for it, the deepest first
_swept: set[Path] = set()  # folders


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yields a temporary file beside `path` that takes its place when the block succeeds.

    On any error, an interrupt included, the temporary file is removed, with the folders that were
    made for it, and `path` is as it was. What a killed process left behind is removed by the next
    process, when it first writes into that folder. Write with Python's own files: libraries that
    write by themselves report a full disk in words of their own, or abort.

    Args:
        path: The file; missing folders are made. A link stays a link to the file that is written.
        overwrite: Whether a file that exists is replaced, its permissions kept.

    Raises:
        FileExistsError: If there is a file at `path` and `overwrite` is not set, even one that
            another process made during the block.
        OSError: If the disk refuses; `strerror` then names it and `filename` is `path`.
    """
    target = Path(os.path.realpath(path))
    part = target.parent / f".kdsr-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.part"
    made = [folder for folder in target.parents if not folder.exists()]
    _unfinished[part] = made
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent not in _swept:  # once: listing a folder of a million files takes a second
            _swept.add(target.parent)
            sweep(target.parent)
        # Nobody may read a private file's new content meanwhile; a new file follows the umask.
        part.touch(0o600 if target.exists() else 0o666, exist_ok=False)
        mode = (target if target.exists() else part).stat().st_mode
        yield part
        part.chmod(stat.S_IMODE(mode))
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
    """Removes the parts that processes of this machine left behind when they were killed.

    `writing` does that, once in a process, for each folder it writes into.

    Args:
        folder: Where to look; need not exist.
        below: Look into its subfolders too.
    """
    with suppress(OSError):
        for path in folder.rglob("*.part") if below else folder.glob("*.part"):
            found = _PART.fullmatch(path.name)
            if found and found["host"] == _HOST and _is_stale(path, int(found["pid"])):
                path.unlink()


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


def _is_stale(part: Path, pid: int) -> bool:
    if os.name == "nt":  # signal 0 is not a question there, but Ctrl-C
        return time.time() - part.stat().st_mtime > _DAY
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _reason(error: OSError, target: Path) -> str:
    """What the system said and, if it is about the disk, which one that is."""
    if error.errno == errno.EEXIST:
        return "it exists and is not replaced"
    reason = error.strerror or str(error)
    if error.errno not in _DISK_ERRORS:
        return reason
    folder = next(parent for parent in target.parents if parent.exists())
    disk = next(parent for parent in (folder, *folder.parents) if os.path.ismount(parent))
    return f"{reason} (disk {disk}, {shutil.disk_usage(disk).free / 1e6:,.0f} MB free)"
