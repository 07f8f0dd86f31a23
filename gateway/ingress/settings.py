"""What the ingress needs to be told; a worker fills it in from the deployment's settings."""

import msgspec

from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.runtime.settings import Listener
from gateway.upstream.hops import Forwarding


class IngressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, whom to believe, how much to take.

    `via` is this gateway's pseudonym in Via (RFC 9110 section 7.6.3): a request that already carries
    it has come round in a loop. `backlog` is the length of the kernel's queue of connections to accept.
    `descriptors`, where given, stand beside `listeners`: sockets that are bound already, or -1.
    """

    listeners: tuple[Listener, ...]
    limits: Limits = DEFAULT_LIMITS
    forwarding: Forwarding = Forwarding()
    via: str = "privacy-gateway"
    backlog: int = 4096
    descriptors: tuple[int, ...] = ()
