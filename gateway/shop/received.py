"""A window on what really reached the shop: its proof, whoever stands in front of it."""

import itertools
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

MAX_ENTRIES = 50
MAX_TEXT = 4096

RECEIVED: web.AppKey["Received"] = web.AppKey("received")
PARTS: web.RequestKey[list[dict[str, object]]] = web.RequestKey("parts", list)
"""Set by a handler that has consumed a multipart body: what it found in each part."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Received:
    """The latest requests, oldest first, as the shop saw them."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, object]] = deque(maxlen=MAX_ENTRIES)
        self._numbers = itertools.count(1)

    def add(self, request: web.Request, body: object) -> None:
        self._entries.append(
            {
                "number": next(self._numbers),
                "method": request.method,
                "target": request.raw_path,
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
                "body": body,
            }
        )

    def entries(self) -> list[dict[str, object]]:
        return list(self._entries)


@web.middleware
async def keep_received(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note every request but those for drawings and for this list itself."""
    if request.path.startswith(("/debug/", "/static/")):
        return await handler(request)
    try:
        return await handler(request)
    finally:
        request.app[RECEIVED].add(request, await _body_of(request))


async def _body_of(request: web.Request) -> object:
    if PARTS in request:
        return request[PARTS]
    if request.content_type.startswith("multipart/"):
        return "(multipart body, not read)"
    return (await request.read())[:MAX_TEXT].decode("utf-8", "replace")


async def show_received(request: web.Request) -> web.Response:
    """`GET /debug/received`: the latest requests as JSON."""
    return web.json_response({"received": request.app[RECEIVED].entries()})
