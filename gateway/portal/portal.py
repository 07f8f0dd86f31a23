"""Which targets are the gateway's own, and who answers each."""

from gateway.model.message import HeaderPairs, RequestHead
from gateway.policy.gpc import GPC_PATH, gpc_document
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_pages import OwnAnswer
from gateway.runtime.settings import Settings

BODY_LIMIT = 64 * 1024
"""Bytes of a body that a page takes: choices for some hundreds of purposes."""

_READABLE = ("GET", "HEAD")
_JSON: HeaderPairs = (
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"max-age=3600"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class Portal:
    """The pages of one worker. What the rules say is read anew for each request, since they can be swapped."""

    body_limit = BODY_LIMIT

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def owns(self, target: bytes) -> bool:
        """Exact bytes only: what has to be decoded first to be the same path is not ours, and has a route or none."""
        return target.startswith(GPC_PATH) and target.partition(b"?")[0] == GPC_PATH

    async def answer(self, head: RequestHead, body: bytes) -> OwnAnswer:  # noqa: ARG002 - the pages to come take it
        """What stands at the target."""
        if head.method not in _READABLE:
            return not_allowed(_READABLE)
        return OwnAnswer(200, _JSON, gpc_document(self._gateway.policy))


def not_allowed(methods: tuple[str, ...]) -> OwnAnswer:
    """Another method was asked for than those that there are (RFC 9110 section 15.5.6)."""
    return OwnAnswer(405, ((b"Allow", ", ".join(methods).encode()),))


def open_portal(settings: Settings, gateway: Gateway) -> Portal | None:
    """The pages of a worker; none where it only observes, since an observer changes nothing (promise P7)."""
    return None if settings.upstream is not None else Portal(gateway)
