"""Header fields of pages: what only narrows is added, what would let third parties in another way is taken out.

A second Content-Security-Policy never loosens the application's: browsers keep to both (CSP3, section 8.1).
It leaves inline code to the application. The fields are worked out from those of one answer and the plan.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

from gateway.documents.html_page import Ruling
from gateway.documents.html_url import DOUBTFUL, Whither, host_of
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import PageMode, UnknownHosts
from gateway.policy.policy import REFERRER_POLICIES, PageRules

CLIENT_HINTS: Final = frozenset(
    b"sec-ch-ua-arch sec-ch-ua-bitness sec-ch-ua-form-factors sec-ch-ua-full-version sec-ch-ua-full-version-list"
    b" sec-ch-ua-model sec-ch-ua-platform-version sec-ch-ua-wow64 sec-ch-device-memory sec-ch-dpr sec-ch-width"
    b" sec-ch-viewport-width sec-ch-viewport-height sec-ch-prefers-color-scheme sec-ch-prefers-reduced-motion"
    b" device-memory dpr width viewport-width downlink ect rtt x-client-data".split()
)
"""Request fields that tell one browser from others and that an application does without."""

_ASKS: Final = frozenset((b"accept-ch", b"critical-ch"))
_REPORTS: Final = frozenset((b"report-to", b"reporting-endpoints", b"nel"))
_XML = re.compile(rb"(?:application|text)/xml|[^/]+/[^/]+\+xml")
_URL = re.compile(rb"[a-z][a-z0-9+.-]*:[/\\]{2}[^\"'<>\s]*", re.IGNORECASE)
_LINK = re.compile(rb"\s*(<[^>]*>(?:[^,\"<]|\"(?:[^\"\\]|\\.)*\")*)(?:,|\Z)")
_REFRESH = re.compile(rb"[^=]*=\s*[\"']?([^\"']*)")
_FEATURE = re.compile(rb"(?:^|,)\s*([a-z][a-z0-9-]*)\s*=")
_INLINE: Final = "'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' data: blob: mediastream: filesystem:"


class Kind(Enum):
    """What a browser would make of an answer: a page of tags, another document with a policy of its own, or neither."""

    PAGE = "page"
    DOCUMENT = "document"
    OTHER = "other"


def kind_of(headers: HeaderPairs) -> Kind:
    """The kind, by Content-Type. What says no type might be sniffed; `no-transform` lets nobody rewrite (RFC 9111)."""
    values = header_values(headers, b"content-type")
    if not values:
        return Kind.DOCUMENT
    essences = [value.partition(b";")[0].strip().lower() for value in values]
    if b"text/html" in essences:
        controls = b",".join(header_values(headers, b"cache-control")).lower().split(b",")
        return Kind.DOCUMENT if b"no-transform" in (each.strip() for each in controls) else Kind.PAGE
    return Kind.DOCUMENT if any(map(_XML.fullmatch, essences)) else Kind.OTHER


class PageFields:
    """The fields of one plan. `own` and `allowed` are the host patterns that a page may load from."""

    def __init__(
        self,
        rules: PageRules,
        own: tuple[str, ...],
        allowed: tuple[str, ...],
        ruling: Callable[[str], Ruling | None],
    ) -> None:
        self._rules = rules
        self._ruling = ruling
        self.policy = _content_policy(rules, (*own, *allowed))

    def apply(self, headers: HeaderPairs) -> HeaderPairs:
        """The fields of a page or document, with those that hold third parties back."""
        if self._rules.mode is PageMode.REPORT:
            return headers
        kept: list[tuple[bytes, bytes]] = []
        for pair in headers:
            name = pair[0].lower()
            if name == b"link":
                if value := self._links(pair[1]):
                    kept.append(pair if value == pair[1] else (pair[0], value))
            elif not (name in _ASKS and not self._rules.client_hints) and not self._leads_away(name, pair[1]):
                kept.append(pair)
        if self.policy:
            kept.append((b"Content-Security-Policy", self.policy))
        return _with_features(_with_referrer(tuple(kept), self._rules.referrer_policy), self._rules)

    def _links(self, value: bytes) -> bytes:
        """A Link field (RFC 8288) less the targets that are held back; all of it goes where it cannot be read."""
        members: list[bytes] = []
        position = 0
        while position < len(value):
            found = _LINK.match(value, position)
            if found is None:
                return b""
            members.append(found[1])
            position = found.end()
        kept = [each for each in members if not self._is_held(each[1 : each.index(b">")])]
        return value if len(kept) == len(members) else b", ".join(each.strip() for each in kept)

    def _leads_away(self, name: bytes, value: bytes) -> bool:
        if name == b"refresh":
            found = _REFRESH.match(value)
            return found is not None and self._is_held(found[1])
        return name in _REPORTS and (name == b"nel" or any(map(self._is_held, _URL.findall(value))))

    def _is_held(self, url: bytes) -> bool:
        host = host_of(url.decode("latin-1"))
        if isinstance(host, Whither):
            return host is DOUBTFUL
        ruling = self._ruling(host)
        return ruling is not None and ruling.held


def _content_policy(rules: PageRules, hosts: tuple[str, ...]) -> bytes:
    """The policy's text; empty where hosts of nobody may be loaded, which no list can say."""
    if not rules.csp or rules.unknown is not UnknownHosts.HOLD:
        return b""
    sources = " ".join(("'self'", *(_source(host) for host in dict.fromkeys(hosts))))
    # Hosts of a list without a port stand for any port, as in rules.
    return f"default-src {sources} {_INLINE}; form-action {sources}; base-uri {sources}".encode()


def _source(host: str) -> str:
    if host == "*":
        return "*"
    name, colon, _ = host.rpartition(":")
    return host if colon and not host.endswith("]") and name else f"{host}:*"


def _with_referrer(headers: HeaderPairs, least: str) -> HeaderPairs:
    """The stricter of the application's Referrer-Policy and ours (the last word that is known counts)."""
    words = [
        word
        for value in header_values(headers, b"referrer-policy")
        for each in value.split(b",")
        if (word := each.strip().lower().decode("latin-1")) in REFERRER_POLICIES
    ]
    if words and REFERRER_POLICIES.index(words[-1]) >= REFERRER_POLICIES.index(least):
        return headers
    kept = tuple(pair for pair in headers if pair[0].lower() != b"referrer-policy")
    return (*kept, (b"Referrer-Policy", least.encode()))


def _with_features(headers: HeaderPairs, rules: PageRules) -> HeaderPairs:
    """Features that the application does not speak of itself: a second word on one would replace the first."""
    value = b",".join(header_values(headers, b"permissions-policy"))
    named = set(_FEATURE.findall(value))
    added = [feature for feature in rules.permissions_policy if feature.encode() not in named]
    if not added:
        return headers
    return (*headers, (b"Permissions-Policy", ", ".join(f"{feature}=()" for feature in added).encode()))


def without_hints(headers: HeaderPairs, dropped: frozenset[bytes]) -> HeaderPairs:
    """Request fields less those named."""
    return tuple(pair for pair in headers if pair[0].lower() not in dropped)
