"""Addresses of ComfyUI's server that the scripts of `web/` ask."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any


def answer_get(path: str, answer: Callable[..., Any]) -> None:
    """Answers GET requests with JSON.

    Args:
        path: Of the address; the page's `api.fetchApi` finds it.
        answer: Called in a thread of its own, with the query as keyword arguments.
    """
    # Imported long ago where there is a server; scripts that load nodes without one need not.
    prompt_server = getattr(sys.modules.get("server"), "PromptServer", None)
    if prompt_server is None or getattr(prompt_server, "instance", None) is None:
        return

    @prompt_server.instance.routes.get(path)
    async def respond(request: Any) -> Any:
        from aiohttp import web

        return web.json_response(await asyncio.to_thread(answer, **request.query))
