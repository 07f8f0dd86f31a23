"""The trusted header, which says who the person is, taken from every peer that may not say so.

A server behind the gateway may fold names: CGI, WSGI and PHP know no difference between `X-User`,
`X_User` and `x-user`, some not even `X.User`. So whatever folds to the trusted name goes, from listed
peers too, apart from the name as it is written.
"""

import re

from gateway.model.errors import Fault, Source
from gateway.model.message import HeaderPairs

_FOLDED = re.compile(rb"[^a-z0-9]")


class HeaderGuard:
    """For one connection. `name` is lower-case; `listed` whether the peer is one that may send it."""

    __slots__ = ("_folded", "_listed", "_name", "_size")

    def __init__(self, name: bytes, *, listed: bool) -> None:
        self._name = name
        self._size = len(name)
        self._folded = _folded(name)
        self._listed = listed

    def strip(self, lines: HeaderPairs) -> HeaderPairs:
        """The fields without what the peer may not say.

        Raises:
            Fault: bad_request, where a listed peer says it twice: a client may have sent the first, and
                nobody can tell which of the two the server behind will believe.
        """
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
