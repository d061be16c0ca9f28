"""Fixtures: every ComfyUI that was found, with this pack, and the pages to try it with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.chromium import NOT_FOUND as NO_CHROMIUM
from tools.chromium import found_chromium
from tools.comfy_browser import Frontend, frontend
from tools.comfy_server import (
    NOT_FOUND,
    ComfyServer,
    NotStartedError,
    found_comfyuis,
    newest_page,
    start,
    stop,
)

CLASSIC, VUE = "classic canvas", "Vue nodes"
VUE_SINCE = (0, 9)
"""ComfyUI whose page draws nodes by Vue, if asked."""

Starter = Callable[[Path | None, Path | None], ComfyServer]
_FOUND: list[Path | None] = [*found_comfyuis()] or [None]
# Each with its own page, and the newest of them with the newest page as well.
_PAGES: list[tuple[Path | None, Path | None]] = [(comfyui, None) for comfyui in _FOUND]
if _FOUND[-1] is not None and (_NEWEST := newest_page(_FOUND[-1])) is not None:
    _PAGES.append((_FOUND[-1], _NEWEST))


def _name(comfyui: Path | None, page: Path | None = None) -> str:
    return f"{comfyui.name if comfyui else 'none'}{f' {page.parents[1].name}' if page else ''}"


@pytest.fixture(scope="session")
def comfy_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Starts a ComfyUI with a page, once."""
    running: dict[str, ComfyServer] = {}

    def server(comfyui: Path | None, page: Path | None) -> ComfyServer:
        if comfyui is None:
            pytest.skip(NOT_FOUND)
        name = _name(comfyui, page)
        if name not in running:
            options = () if page is None else ("--front-end-root", str(page))
            try:
                running[name] = start(comfyui, tmp_path_factory.mktemp(comfyui.name), *options)
            except NotStartedError as reason:
                pytest.skip(str(reason))
        return running[name]

    yield server
    for one in running.values():
        stop(one)


@pytest.fixture(scope="session", params=_FOUND, ids=_name)
def comfy(request: pytest.FixtureRequest, comfy_servers: Starter) -> ComfyServer:
    """A server with the pack, one for each ComfyUI; a test that uses it is marked `comfy`."""
    return comfy_servers(request.param, None)


@pytest.fixture(scope="session", params=_PAGES, ids=lambda setup: _name(*setup))
def comfy_page(request: pytest.FixtureRequest, comfy_servers: Starter) -> ComfyServer:
    """As `comfy`, and the newest ComfyUI with the newest page: for tests in the browser."""
    return comfy_servers(*request.param)


@pytest.fixture(scope="session")
def page(comfy_page: ComfyServer) -> Iterator[Frontend]:
    """ComfyUI's frontend in Chromium, for all tests: to load it takes longer than most of them."""
    if found_chromium() is None:
        pytest.skip(NO_CHROMIUM)
    with frontend(comfy_page) as page:
        yield page


@pytest.fixture(params=[CLASSIC, VUE])
def canvas(request: pytest.FixtureRequest, page: Frontend) -> Frontend:
    """The page with nodes drawn one way or the other."""
    vue = request.param == VUE
    if vue and page.server.version < VUE_SINCE:
        pytest.skip(f"ComfyUI {page.server.version} draws nodes on the canvas")
    page.stay()
    page.use_vue_nodes(vue)
    # Nothing from the cache: what comes from it shows no progress and no live preview.
    page.server.post("/free", {"unload_models": True, "free_memory": True})
    return page
