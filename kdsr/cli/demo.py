"""`kdsr demo`."""

from pathlib import Path

from ..demo.folder import ADDRESS, RUNTIME, demo_files, has_runtime, make_server, write_demo
from ..errors import ConfigError
from ..files.loading import load
from ..tiles.devices import DTYPES
from .commands import Demo
from .paths import check_new
from .streams import say


def demo(command: Demo) -> int:
    """Writes the page with a model into a folder, and serves it if asked to."""
    folder: Path = command.folder
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder")
    if all(path.exists() for path in demo_files(folder)) and not command.overwrite:
        say(f"{folder} holds the page already; --overwrite makes it anew")
    else:
        _write(folder, command)
    if not has_runtime(folder):
        say(f"onnxruntime-web is missing there: npm install --prefix {folder} {RUNTIME}")
    if command.serve is None:
        return 0
    with make_server(folder, command.serve) as server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ until Ctrl-C")
        server.serve_forever()
    return 0


def _write(folder: Path, command: Demo) -> None:
    for path in demo_files(folder):
        check_new(path, overwrite=command.overwrite)
    model, dtype = load(command.model, crispness=command.crispness), DTYPES[command.dtype]
    write_demo(model, folder, dtype=dtype, overwrite=command.overwrite)
    say(f"saved a page for any web server in {folder}")
