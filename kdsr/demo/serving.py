"""A web server for the page, for this machine alone."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
        folder: As `kdsr.demo.folder.write_demo` wrote it.
        port: 0 for any that is free; `server_port` then tells which.

    Raises:
        OSError: If the port is taken.
    """
    return ThreadingHTTPServer((ADDRESS, port), partial(_Handler, directory=str(folder)))
