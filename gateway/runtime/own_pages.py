"""Pages that the gateway answers itself, on the data port, in front of every route.

The adapter that reads requests and the floor that makes the pages do not know each other: this is all that
they share. A path that is owned never reaches an application, whatever the rules say of it.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from gateway.model.message import HeaderPairs, RequestHead
from gateway.runtime.gateway import Gateway
from gateway.runtime.settings import Settings

OWN_PAGES = "own pages"
"""What stands for a route in the metrics; no route of the rules can have this name."""


class OwnAnswer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer, without fields of framing: those, Date and persistence are the adapter's."""

    status: int
    headers: HeaderPairs
    body: bytes = b""


class OwnPages(Protocol):
    """`body_limit` is the size in bytes over which no body of a request is taken."""

    body_limit: int

    def owns(self, target: bytes) -> bool:
        """Whether requests for this target (origin-form, as it came) are answered here. Asked of every request."""

    async def answer(self, head: RequestHead, body: bytes) -> OwnAnswer:
        """The answer, to HEAD as to GET: the adapter leaves the body out.

        Raises:
            StoreDown, Unreadable, Fault: what becomes a refusal; never for what a person did wrong.
        """

    def close(self) -> None:
        """Give up what goes on in threads, without waiting for it; nothing is asked afterwards."""


OpenOwnPages: TypeAlias = Callable[[Settings, Gateway], OwnPages | None]
"""Makes the pages of one worker, or None where the deployment has none."""
