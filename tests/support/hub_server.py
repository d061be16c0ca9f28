"""A small HTTP server that answers as the Hugging Face Hub does, for the real client to talk to."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubServer:
    """Files of the server, and its faults.

    Attributes:
        files: Path in the repository -> content.
        repo: The one repository there is.
        cut_after: Lengths of a body in bytes after which the connection drops, once each.
        lie: Bytes to serve instead, under the true hash.
        redirect: Whether to answer with a redirect to a second path, as for large files.
        requests: (method, path, Range header) of all requests.
        token: Required bearer token.
    """

    files: dict[str, bytes]
    repo: str = "someone/models"
    cut_after: list[int] = field(default_factory=list)
    lie: bytes | None = None
    redirect: bool = False
    token: str | None = None
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """Runs the server on a free port of localhost."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Silence."""

    def do_HEAD(self) -> None:
        """Metadata of a file."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A file, or the rest of it."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub = self.hub
        hub.requests.append((self.command, self.path, self.headers.get("Range")))
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._error(401, "RepoNotFound", "Invalid username or password.")
        if self.path.startswith("/cdn/"):
            return self._file(hub.files[self.path.removeprefix("/cdn/")], body=body)
        prefix = f"/{hub.repo}/resolve/"
        if not self.path.startswith(prefix):
            return self._error(404, "RepoNotFound", "Repository not found")
        revision, _, name = self.path.removeprefix(prefix).partition("/")
        if revision not in ("main", COMMIT):
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        if name not in hub.files:
            return self._error(404, "EntryNotFound", "Entry not found")
        if hub.redirect:
            return self._redirect(name)
        return self._file(hub.files[name], body=body)

    def _redirect(self, name: str) -> None:
        self.send_response(302)
        self._metadata(self.hub.files[name])
        self.send_header("Location", f"{self.hub.url}/cdn/{name}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _metadata(self, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Linked-Etag", f'"{sha256}"')
        self.send_header("ETag", f'"{sha256}"')

    def _file(self, content: bytes, *, body: bool) -> None:
        served = self.hub.lie if self.hub.lie is not None else content
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self._metadata(content)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(served) - 1}/{len(served)}")
        self.send_header("Accept-Ranges", "bytes")
        part = served[start:]
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if not body:
            return
        if self.hub.cut_after:
            self.wfile.write(part[: self.hub.cut_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(part)

    def _error(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()
