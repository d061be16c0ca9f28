"""Addresses of ComfyUI's server that the scripts of `web/` ask."""

import asyncio
from collections.abc import Callable
from typing import Any


def answer_get(path: str, answer: Callable[..., Any]) -> None:
    """Answers GET requests with JSON.

    Args:
        path: Of the address; the page's `api.fetchApi` finds it.
        answer: Called in a thread of its own, with the query as keyword arguments.
    """
    from server import PromptServer

    if PromptServer.instance is None:
        return

    @PromptServer.instance.routes.get(path)
    async def respond(request: Any) -> Any:
        from aiohttp import web

        return web.json_response(await asyncio.to_thread(answer, **request.query))
