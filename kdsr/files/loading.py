"""One way in: a bundled name, a path or an address on the Hub."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError
from ..model import KDSR
from ..options import DEFAULT_MODEL
from .catalog import list_models
from .weights import load_student

_SUFFIXES = (".safetensors", ".pt", ".pth")


def load(
    source: str | Path = DEFAULT_MODEL, folders: Sequence[Path] = (), *, crispness: float = 1.0
) -> KDSR:
    """Loads a student, ready to run, in float32 on the CPU (then `model.to("cuda")`).

    Args:
        source: A name from `kdsr models`; a path to `.safetensors`, or to an official `.pt` /
            `.pth`; or `hf://owner/repo/file.safetensors[@revision]`.
        folders: Where models are looked for and kept; see `kdsr.files.hub.resolve`.
        crispness: For a crisp model with a name: 1 is that model, 0 the faithful one that it was
            trained on from, and others, up to 1.25, lie between the two or beyond. IDRs serve all
            of them. See `kdsr.blend_models`.

    Raises:
        ConfigError: If the model has no faithful partner, or `crispness` is out of range.
        HubError: If the model cannot be found or downloaded.
        CheckpointError: If the file is not a KDSR student; the message says what does not fit.
    """
    if crispness == 1:
        return load_student(find_file(source, folders))
    from ..blending import blend_models  # only here: few models are mixed

    faithful, model = (
        load_student(find_file(name, folders)) for name in (_faithful(source), source)
    )
    return blend_models(faithful, model, crispness).freeze(fingerprint_of=model)


def _faithful(source: str | Path) -> str:
    """Name of the model that a crisp one was trained on from."""
    partners = {entry.name: entry.faithful for entry in list_models() if entry.faithful}
    if str(source) not in partners:
        raise ConfigError(
            f"crispness is for {' and '.join(partners) or 'crisp models'}, which {source} is not; "
            "leave it at 1, or blend two files of your own with `kdsr blend-models`"
        )
    return partners[str(source)]


def find_file(source: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The file behind a source; see `load`."""
    if isinstance(source, Path):
        return source
    if not source.startswith("hf://") and Path(source).suffix in _SUFFIXES:
        return Path(source)
    bundled = {entry.name: entry.path for entry in list_models() if entry.bundled}
    if source in bundled:
        return bundled[source]
    from .hub import resolve  # only here: it knows networks

    return resolve(source, folders)
