"""The two third parties whose tags the shop's pages carry: each a tiny host that counts its visits."""

from collections import Counter

from aiohttp import web

HITS: web.AppKey["Counter[str]"] = web.AppKey("hits", Counter[str])

_SCRIPT = """\
(function () {
  // A cookie of the shop's own site, which the browser then sends to the shop as well.
  if (!/(?:^|; )_ga_EMBER=/.test(document.cookie)) {
    document.cookie = "_ga_EMBER=GS2.1." + Date.now() + "; Max-Age=63072000; Path=/; SameSite=Lax";
  }
  var here = encodeURIComponent(location.pathname);
  new Image().src = ORIGIN + "/collect?page=" + here + "&screen=" + screen.width + "x" + screen.height;
})();
"""
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


def make_tags() -> web.Application:
    """A host that serves `/tag.js`, `/collect` and `/pixel.gif`, and tells at `/hits` how often each was asked for."""
    app = web.Application()
    app[HITS] = Counter()
    app.router.add_get("/tag.js", _script)
    app.router.add_get("/collect", _pixel)
    app.router.add_get("/pixel.gif", _pixel)
    app.router.add_get("/hits", _hits)
    return app


async def _script(request: web.Request) -> web.Response:
    request.app[HITS]["tag.js"] += 1
    origin = f'"//{request.host}"' if _is_plain(request.host) else '""'
    text = _SCRIPT.replace("ORIGIN", origin)
    return web.Response(text=text, content_type="text/javascript", headers={"Cache-Control": "no-store"})


def _is_plain(host: str) -> bool:
    return all(letter.isalnum() or letter in ".-:[]" for letter in host)


async def _pixel(request: web.Request) -> web.Response:
    request.app[HITS][request.path.lstrip("/")] += 1
    response = web.Response(body=_PIXEL, content_type="image/gif", headers={"Cache-Control": "no-store"})
    response.set_cookie("third_party_id", "seen", samesite="None", secure=True, max_age=86400)
    return response


async def _hits(request: web.Request) -> web.Response:
    return web.json_response(request.app[HITS])
