"""A folder with a web page that upscales in the browser, and a server for it."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from ..atomic import writing
from ..network.models import Student
from .export import export_pair, pair_paths

PAGE = Path(__file__).parent.parent / "demo" / "page"
RUNTIME = "onnxruntime-web@1.30.0"
"""The npm package that computes in the browser; the page's worker names it too."""
ADDRESS = "127.0.0.1"
_HEADERS = {
    # Both are needed for several threads in WASM.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    # The page says so too, but a worker heeds what comes with its own file.
    "Content-Security-Policy": (
        "default-src 'self' blob: data:; script-src 'self' 'wasm-unsafe-eval'"
    ),
    "Cache-Control": "no-cache",
}


def demo_files(folder: Path) -> list[Path]:
    """Everything that `write_demo` writes into a folder."""
    return [folder / source.name for source in _sources()] + list(_networks(folder))


def write_demo(
    model: Student,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = True,
) -> None:
    """Writes a page for any web server; onnxruntime-web has to be put beside it, see `has_runtime`.

    Args:
        model: Model on the CPU.
        folder: Folder of the page; created if absent. Files are written atomically.
        dtype: Dtype, as in `kdsr.exports.export.export_pair`.
        overwrite: Whether files that exist are replaced.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    export_pair(model, folder / "model.onnx", dtype=dtype, overwrite=overwrite)
    for source in _sources():
        with writing(folder / source.name, overwrite=overwrite) as temporary:
            shutil.copyfile(source, temporary)


def has_runtime(folder: Path) -> bool:
    """Whether onnxruntime-web lies where the page looks for it."""
    return (folder / "node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs").is_file()


def _sources() -> list[Path]:
    return sorted(path for path in PAGE.iterdir() if path.suffix in (".html", ".css", ".js"))


def _networks(folder: Path) -> tuple[Path, Path, Path]:
    return pair_paths(folder / "model.onnx")


class _Handler(SimpleHTTPRequestHandler):
    # Spelled out, because Windows takes types from its registry, and browsers refuse wrong ones.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keeps quiet."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder's files that nobody but this machine reaches.

    Args:
        folder: Folder that `write_demo` wrote.
        port: 0 for any that is free; `server_port` then tells which.

    Raises:
        OSError: If the port is taken.
    """
    return ThreadingHTTPServer((ADDRESS, port), partial(_Handler, directory=str(folder)))
