"""One way in: a bundled name, a path or an address on the Hub."""

from pathlib import Path

from .checkpoint import load_student
from .model import KDSR

DEFAULT_MODEL = "kdsr-s-x4"


def load(source: str | Path = DEFAULT_MODEL) -> KDSR:
    """Loads a student, ready to run, in float32 on the CPU (then `model.to("cuda")`).

    Args:
        source: A name from `kdsr models`; a path to `.safetensors`, or to an official `.pt` /
            `.pth`; or `hf://owner/repo/file.safetensors[@revision]`.

    Raises:
        HubError: If the model cannot be found or downloaded.
        CheckpointError: If the file is not a KDSR student; the message says what does not fit.
    """
    if isinstance(source, Path) or Path(source).suffix in (".pt", ".pth") or _is_file(source):
        return load_student(source)
    from .hub import resolve  # only here: it knows networks

    return load_student(resolve(source))


def _is_file(source: str) -> bool:
    return not source.startswith("hf://") and (
        source.endswith(".safetensors") or Path(source).is_file()
    )
