"""The plain aiohttp proxy: its server, its client, uvloop, and a strip by json.loads and json.dumps."""

import json
import sys

import aiohttp
import uvloop
from aiohttp import web
from bodies import STRIPPED

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}


def main() -> None:
    port, upstream = int(sys.argv[1]), sys.argv[2]
    uvloop.install()
    app = web.Application()

    async def client(app: web.Application):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(upstream, connector=connector, auto_decompress=False) as session:
            app["session"] = session
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with app["session"].request(
            request.method, request.raw_path, headers=headers, data=request.content if request.can_read_body else None
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            if answer.content_type == "application/json":
                document = json.loads(await answer.read())
                for name in STRIPPED:
                    document.pop(name, None)
                return web.Response(status=answer.status, headers=kept, body=json.dumps(document).encode())
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main()
