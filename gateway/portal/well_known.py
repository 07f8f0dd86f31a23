"""`/.well-known/gpc.json`, which every deployment with rules has."""

from gateway.model.message import HeaderPairs, RequestHead
from gateway.policy.gpc import GPC_PATH, gpc_document
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_pages import OwnAnswer

READ = ("GET", "HEAD")
_FIELDS: HeaderPairs = (
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"max-age=3600"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class WellKnown:
    """What the rules say is read for each request, since they can be swapped."""

    body_limit = 1024

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def owns(self, target: bytes) -> bool:
        """Exact bytes only: what has to be decoded first to be the same path is not ours, and has a route or none."""
        return target.startswith(GPC_PATH) and target.partition(b"?")[0] == GPC_PATH

    async def answer(self, head: RequestHead, body: bytes) -> OwnAnswer:  # noqa: ARG002 - the protocol's
        """What stands there."""
        if head.method not in READ:
            return OwnAnswer(405, (allow(READ),))
        return OwnAnswer(200, _FIELDS, gpc_document(self._gateway.policy))

    def close(self) -> None:
        """Nothing goes on beside the answers."""


def allow(methods: tuple[str, ...]) -> tuple[bytes, bytes]:
    """The field that goes with 405 (RFC 9110, section 15.5.6)."""
    return b"Allow", ", ".join(methods).encode()
