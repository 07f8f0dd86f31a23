"""What says who the person is, and is not for the service: a trusted header from peers that may not send it, and
the cookie of a visitor, which is the gateway's own.

A server behind the gateway may fold names: CGI, WSGI and PHP know no difference between `X-User`,
`X_User` and `x-user`, some not even `X.User`. So whatever folds to the trusted name goes, from listed
peers too, apart from the name as it is written.
"""

import re

from gateway.model.errors import Fault, Source
from gateway.model.identity import Identity
from gateway.model.message import HeaderPairs
from gateway.runtime.visitors import Visitors

_FOLDED = re.compile(rb"[^a-z0-9]")


class HeaderGuard:
    """For one connection. `name` is lower-case, and may be empty; `listed` whether the peer is one that may send it."""

    __slots__ = ("_folded", "_listed", "_name", "_size", "_visitors")

    def __init__(self, name: bytes, *, listed: bool, visitors: Visitors | None = None) -> None:
        self._name = name
        self._visitors = visitors
        self._size = len(name)
        self._folded = _folded(name)
        self._listed = listed

    def visitor(self, lines: HeaderPairs) -> Identity | None:
        """Whom the cookie of a visitor names, in the fields as they came; as `Visitors.read`."""
        return None if self._visitors is None else self._visitors.read(lines)

    def strip(self, lines: HeaderPairs) -> HeaderPairs:
        """The fields without what the peer may not say, and without the cookie of a visitor.

        Raises:
            Fault: bad_request, where a listed peer says it twice: a client may have sent the first, and
                nobody can tell which of the two the server behind will believe.
        """
        if self._visitors is not None:
            lines = self._visitors.without(lines)
        size = self._size
        suspects = [line for line in lines if len(line[0]) == size and _folded(line[0].lower()) == self._folded]
        if not suspects:
            return lines
        said = [line for line in suspects if self._listed and line[0].lower() == self._name]
        if len(said) > 1:
            raise Fault("bad_request", Source.CLIENT, "a field that names the person stands twice", close=True)
        if len(said) == len(suspects):
            return lines
        return tuple(line for line in lines if line in said or line not in suspects)


def _folded(name: bytes) -> bytes:
    return _FOLDED.sub(b"-", name)
