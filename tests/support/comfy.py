"""The fixture `comfy`: every ComfyUI that was found, with this pack."""

from collections.abc import Iterator

import pytest

from tools.comfy_server import NOT_FOUND, ComfyServer, NotStartedError, found_comfyuis, start, stop


@pytest.fixture(
    scope="session",
    params=found_comfyuis() or [None],
    ids=lambda path: path.name if path else "none",
)
def comfy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyServer]:
    """A server with the pack, one for each ComfyUI; a test that uses it is marked `comfy`."""
    if request.param is None:
        pytest.skip(NOT_FOUND)
    try:
        server = start(request.param, tmp_path_factory.mktemp(request.param.name))
    except NotStartedError as reason:
        pytest.skip(str(reason))
    yield server
    stop(server)
