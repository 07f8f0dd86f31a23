"""Partners behind a relay: which one a request is for, by its path or its host.

A prefix counts by whole segments of the path as it stands on the wire. Where the path could be read in another way
(decoded, dot segments folded, parameters cut), every reading has to lead to the same partner and to the same
path there; a doubt is refused, since what is sent are the bytes that came.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.words import Posture
from gateway.policy.path_views import doubtful, normal_views

PATHS_REMEMBERED = 4096
_PATH_REMEMBERED = 256
"""Clients choose the host and the path they send, so what is remembered of them is bounded."""


class Partner(msgspec.Struct, frozen=True, eq=False):
    """One entry of a relay. `prefix` is what stands before the partner's own paths, empty where the host tells.

    `host` is what rules are written against: lower-case, with the port where it is not the scheme's own.
    """

    url: str
    prefix: bytes
    scheme: str
    host: str

    @property
    def authority(self) -> bytes:
        """The value of Host towards the partner."""
        return self.host.encode()


class PartnerMap:
    """`to` as in `RelayListener`: path prefixes, or hosts, to URLs. A host counts before a prefix."""

    def __init__(self, to: Mapping[str, str]) -> None:
        self._hosts = {place: _partner(url, b"") for place, url in to.items() if not place.startswith("/")}
        self._prefixes: dict[tuple[bytes, ...], Partner] = {}
        for place, url in to.items():
            if place.startswith("/"):
                prefix = place.encode().rstrip(b"/")
                self._prefixes[tuple(prefix.split(b"/")[1:])] = _partner(url, prefix)
        self._longest = max(map(len, self._prefixes), default=-1)
        self._found: dict[tuple[str, bytes], Partner] = {}

    def find(self, host: str, path: bytes) -> Partner | None:
        """Whom a request is for; `path` is raw and without the query.

        Raises:
            Unreadable: AMBIGUOUS_FRAMING, where readings of the path differ in that.
        """
        known = self._found.get((host, path))
        if known is not None:
            return known
        found = self._search(host, path)
        if found is not None and len(path) <= _PATH_REMEMBERED:
            if len(self._found) >= PATHS_REMEMBERED:
                self._found.clear()
            self._found[host, path] = found
        return found

    def _search(self, host: str, path: bytes) -> Partner | None:
        if self._hosts:
            found = self._hosts.get(host)
            if found is None and not host.endswith("]"):
                found = self._hosts.get(host.rpartition(":")[0])
            if found is not None:
                return found
        if path[:1] != b"/":
            return None
        partner = self._longest_prefix(path[1:].split(b"/", self._longest)) if self._longest >= 0 else None
        if doubtful(path):
            self._check(path, partner)
        return partner

    def _longest_prefix(self, segments: list[bytes]) -> Partner | None:
        """The partner with the longest prefix that these segments begin with."""
        for size in range(min(len(segments), self._longest), -1, -1):
            found = self._prefixes.get(tuple(segments[:size]))
            if found is not None:
                return found
        return None

    def _check(self, path: bytes, written: Partner | None) -> None:
        size = 0 if written is None else len(written.prefix)
        there = normal_views(path[size:] or b"/")
        for number, view in enumerate(normal_views(path)):
            segments = [text for text, _, _ in view]
            if self._longest_prefix(segments) is not written:
                raise _doubt()
            if written is not None:
                own = segments[written.prefix.count(b"/") :] or [b""]
                if own != [text for text, _, _ in there[number]]:
                    raise _doubt()


def _doubt() -> Unreadable:
    return Unreadable(Posture.AMBIGUOUS_FRAMING, "the path can be read in more than one way")


def _partner(url: str, prefix: bytes) -> Partner:
    parts = urlsplit(url)
    return Partner(url, prefix, parts.scheme, parts.netloc)
