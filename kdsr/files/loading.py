"""One way in: a bundled name, a path or an address on the Hub."""

from collections.abc import Sequence
from pathlib import Path

from ..model import KDSR
from ..options import DEFAULT_MODEL
from .weights import load_student

_SUFFIXES = (".safetensors", ".pt", ".pth")


def load(source: str | Path = DEFAULT_MODEL, folders: Sequence[Path] = ()) -> KDSR:
    """Loads a student, ready to run, in float32 on the CPU (then `model.to("cuda")`).

    Args:
        source: A name from `kdsr models`; a path to `.safetensors`, or to an official `.pt` /
            `.pth`; or `hf://owner/repo/file.safetensors[@revision]`.
        folders: Where models are looked for and kept; see `kdsr.files.hub.resolve`.

    Raises:
        HubError: If the model cannot be found or downloaded.
        CheckpointError: If the file is not a KDSR student; the message says what does not fit.
    """
    return load_student(find_file(source, folders))


def find_file(source: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The file behind a source; see `load`."""
    if isinstance(source, Path):
        return source
    if not source.startswith("hf://") and Path(source).suffix in _SUFFIXES:
        return Path(source)
    from .hub import resolve  # only here: it knows networks

    return resolve(source, folders)
