"""`kdsr demo`."""

import argparse
from pathlib import Path

from ..demo.folder import RUNTIME, demo_files, has_runtime, write_demo
from ..demo.serving import ADDRESS, make_server
from ..errors import ConfigError
from ..files.loading import load
from ..tiles.devices import DTYPES
from .outputs import check_new
from .streams import say


def demo(arguments: argparse.Namespace) -> int:
    """Writes the page with a model into a folder, and serves it if asked to."""
    folder: Path = arguments.folder
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder")
    if all(path.exists() for path in demo_files(folder)) and not arguments.overwrite:
        say(f"{folder} holds the page already; --overwrite makes it anew")
    else:
        _write(folder, arguments)
    if not has_runtime(folder):
        say(f"onnxruntime-web is missing there: npm install --prefix {folder} {RUNTIME}")
    if arguments.serve is None:
        return 0
    with make_server(folder, arguments.serve) as server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ until Ctrl-C")
        server.serve_forever()
    return 0


def _write(folder: Path, arguments: argparse.Namespace) -> None:
    for path in demo_files(folder):
        check_new(path, overwrite=arguments.overwrite)
    model, dtype = load(arguments.model, crispness=arguments.crispness), DTYPES[arguments.dtype]
    write_demo(model, folder, dtype=dtype, overwrite=arguments.overwrite)
    say(f"saved a page for any web server in {folder}")
