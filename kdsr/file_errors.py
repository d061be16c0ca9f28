"""Reading files that people name: whatever goes wrong becomes one error that names the file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import KDSRError
from .memory import is_out_of_memory


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
