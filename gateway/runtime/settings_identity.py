"""The `identity:` section of gateway.yaml: which sources say who a caller is, and what they have to show."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.crypto.signed_token import TokenTerms
from gateway.crypto.token_keys import ALGORITHMS, read_key_set
from gateway.model.identity import CertificatePart
from gateway.model.network import is_loopback
from gateway.policy.sections import FRAMING_HEADERS
from gateway.policy.source import Node, Scalar
from gateway.runtime.settings_nodes import SettingsNodes
from gateway.runtime.visitors import VISITOR_COOKIE

IDENTITY_KEYS = ("client_certificate", "token", "trusted_header", "session", "visitor")
TOKEN_KEYS = ("keys", "algorithms", "issuer", "audience", "claim", "in", "leeway", "refresh_seconds", "ca")
SESSION_KEYS = ("cookie", "hours", "rotated")
ROTATED = ("keep", "end")
"""What becomes of a link where an answer sets a new value of the session's cookie without a sign-in."""
_NEEDED = ("keys", "algorithms", "issuer", "audience")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
_PLACE = re.compile(r"(header|cookie):([!#$%&'*+\-.^`|~0-9A-Za-z]+)|(cookie):([!#$%&'*+\-.^_`|~0-9A-Za-z]+)")
_COOKIE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TAKEN = FRAMING_HEADERS | {"authorization", "cookie", "sec-gpc", "dnt"}
_LONGEST_LEEWAY = 300
_LONGEST_COOKIE = 400
"""Days after which browsers drop any cookie (RFC 6265bis, section 5.5)."""


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`keys` is the path of a JWK set or its URL; `place` where requests carry the token: `header` or `cookie`, `name`.

    `ca` are the authorities (PEM) for the URL, if not the system's.
    """

    keys: str
    algorithms: tuple[str, ...]
    issuer: str
    audience: str
    claim: str = "sub"
    place: str = "header"
    name: str = "authorization"
    leeway: int = 30
    refresh_seconds: int = 300
    ca: str | None = None

    @property
    def fetched(self) -> bool:
        """Whether the keys come from a URL."""
        return self.keys.startswith(("https://", "http://"))

    @property
    def terms(self) -> TokenTerms:
        return TokenTerms(self.algorithms, self.issuer, self.audience, self.claim, self.leeway)


class TrustedHeader(msgspec.Struct, frozen=True):
    """A header field (lower case) that names the person, where a peer of one of the `networks` (CIDR) sends it."""

    name: str
    networks: tuple[str, ...]


class SessionSettings(msgspec.Struct, frozen=True):
    """`cookie` holds the application's session; a link to a person lasts `hours` from the sign-in on.

    `rotated` says what becomes of it where an answer sets a new value without a sign-in: `keep` or `end`.
    """

    cookie: str
    hours: int = 720
    rotated: str = "keep"


class VisitorSettings(msgspec.Struct, frozen=True):
    """`days` is how long a browser keeps the cookie by which the gateway knows it."""

    days: int = 180


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The sources that are configured; `client_certificate` is the part of a certificate that names its holder."""

    client_certificate: CertificatePart | None = None
    token: TokenSettings | None = None
    trusted_header: TrustedHeader | None = None
    session: SessionSettings | None = None
    visitor: VisitorSettings | None = None

    @property
    def any(self) -> bool:
        return self != IdentitySettings()

    def paths(self) -> list[str]:
        """Files whose change asks for new workers."""
        token = self.token
        if token is None:
            return []
        return [path for path in ("" if token.fetched else token.keys, token.ca) if path]


class IdentityReader(SettingsNodes):
    """Reads the section; `certificates` says whether a listener asks clients for one."""

    def identity(self, node: Node | None, *, certificates: bool, forwarding: tuple[str, ...]) -> IdentitySettings:
        """The section; `forwarding` are the networks whose forwarding fields are believed."""
        keys = self._entries(node, IDENTITY_KEYS)
        part: CertificatePart | None = None
        if "client_certificate" in keys:
            word = self._word(keys["client_certificate"], tuple(CertificatePart), CertificatePart.SAN_EMAIL)
            part = CertificatePart(word)
            if not certificates:
                hint = "add 'client_ca' to the 'tls' of a listener"
                self._add("PG941", keys["client_certificate"], "no listener asks clients for a certificate", hint)
        return IdentitySettings(
            client_certificate=part,
            token=self._token(keys["token"]) if "token" in keys else None,
            trusted_header=self._trusted(keys["trusted_header"], forwarding) if "trusted_header" in keys else None,
            session=self._session(keys["session"]) if "session" in keys else None,
            visitor=self._visitor(keys["visitor"]) if "visitor" in keys else None,
        )

    def _token(self, node: Node) -> TokenSettings | None:
        keys = self._entries(node, TOKEN_KEYS, _NEEDED)
        algorithms = self._algorithms(keys.get("algorithms"))
        place, name = self._place(keys.get("in"))
        issuer, audience = self._text(keys.get("issuer")), self._text(keys.get("audience"))
        claim = self._text(keys.get("claim"))
        source = self._keys(keys.get("keys"), algorithms)
        leeway = self._whole(keys.get("leeway"), 30, 0, _LONGEST_LEEWAY)
        refresh = self._whole(keys.get("refresh_seconds"), 300, 10, 86_400)
        authority = self._authority(keys.get("ca"))
        if source is None or issuer is None or audience is None:
            return None
        return TokenSettings(
            keys=source,
            algorithms=algorithms,
            issuer=issuer.text,
            audience=audience.text,
            claim=claim.text if claim is not None else "sub",
            place=place,
            name=name,
            leeway=leeway,
            refresh_seconds=refresh,
            ca=authority,
        )

    def _algorithms(self, node: Node | None) -> tuple[str, ...]:
        items = self._items(node)
        words = [self._word(item, ALGORITHMS, "") for item in items]
        if node is not None and not items:
            self._add("PG911", node, "no algorithm is pinned", "write '[RS256]', or what the issuer signs with")
        return tuple(dict.fromkeys(word for word in words if word))

    def _place(self, node: Node | None) -> tuple[str, str]:
        scalar = self._text(node)
        if scalar is None:
            return "header", "authorization"
        match = _PLACE.fullmatch(scalar.text)
        kind, name = (match[1] or match[3], match[2] or match[4]) if match else ("", "")
        if not kind or (kind == "header" and name.lower() in _TAKEN - {"authorization"}):
            self._add("PG914", scalar, f"no token can come in '{scalar.text}'", "write 'header:NAME' or 'cookie:NAME'")
        return kind, name.lower() if kind == "header" else name

    def _keys(self, node: Node | None, algorithms: tuple[str, ...]) -> str | None:
        scalar = self._text(node)
        if scalar is None or node is None:
            return None
        if "://" in scalar.text:
            return self._url(scalar)
        path = self._file(node)
        if path is not None and algorithms:
            try:
                read_key_set(Path(path).read_bytes(), algorithms)
            except (ValueError, OSError) as problem:
                why = str(problem) if isinstance(problem, ValueError) else "it cannot be read"
                self._add("PG915", node, why, "write the issuer's public keys as a JWK set (RFC 7517)")
        return path

    def _url(self, scalar: Scalar) -> str | None:
        try:
            url = urlsplit(scalar.text)
            usable = url.scheme in ("https", "http") and bool(url.hostname) and url.port != 0 and not url.username
        except ValueError:
            usable = False
        if not usable:
            self._add("PG914", scalar, "keys come from a file, or an https or http URL without a user name")
            return None
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            hint = "use https; 'ca' names an authority of your own"
            self._add("PG943", scalar, "whoever is on the way of this URL can replace the keys", hint)
        return scalar.text

    def _trusted(self, node: Node, forwarding: tuple[str, ...]) -> TrustedHeader | None:
        keys = self._entries(node, ("name", "from"), ("name",))
        name = self._text(keys.get("name"))
        networks = tuple(filter(None, (self._peers(item) for item in self._items(keys.get("from")))))
        if not networks:
            hint = "write 'from: [10.0.0.0/8]' with the networks of the proxies that set it"
            message = "a trusted header needs the list of peers that may send it"
            self._add("PG940", keys.get("from", node), message, hint)
        if name is None or not networks:
            return None
        lower = name.text.lower()
        if not _HEADER.fullmatch(name.text) or lower in _TAKEN:
            hint = "letters, digits and '-', such as X-User; no field that HTTP itself owns"
            self._add("PG914", name, f"'{name.text}' cannot be a trusted header", hint)
        elif lower.startswith("x-forwarded") and not all(_covered(network, forwarding) for network in networks):
            hint = "list the same networks under 'forwarded: {trusted: …}'"
            self._add("PG942", name, f"'{name.text}' is removed before it is read: its peers may not forward", hint)
        return TrustedHeader(lower, networks)

    def _session(self, node: Node) -> SessionSettings | None:
        keys = self._entries(node, SESSION_KEYS, ("cookie",))
        cookie = self._text(keys.get("cookie"))
        hours = self._whole(keys.get("hours"), 720, 1, _LONGEST_COOKIE * 24)
        rotated = self._word(keys.get("rotated"), ROTATED, "keep")
        if cookie is None:
            return None
        if not _COOKIE.fullmatch(cookie.text) or cookie.text == VISITOR_COOKIE.decode():
            self._add("PG914", cookie, f"'{cookie.text}' cannot be the application's cookie", "write its name only")
        return SessionSettings(cookie.text, hours, rotated)

    def _visitor(self, node: Node) -> VisitorSettings:
        keys = self._entries(node, ("days",))
        return VisitorSettings(self._whole(keys.get("days"), 180, 1, _LONGEST_COOKIE))

    def _peers(self, node: Node) -> str:
        network = self._network(node)
        if network.endswith("/0"):
            self._add("PG940", node, "a network that holds every address lets everybody be anybody")
        return network


def _covered(network: str, trusted: tuple[str, ...]) -> bool:
    inner = ipaddress.ip_network(network)
    outers = (ipaddress.ip_network(each) for each in trusted)
    return any(
        (
            isinstance(inner, ipaddress.IPv4Network)
            and isinstance(outer, ipaddress.IPv4Network)
            and inner.subnet_of(outer)
        )
        or (
            isinstance(inner, ipaddress.IPv6Network)
            and isinstance(outer, ipaddress.IPv6Network)
            and inner.subnet_of(outer)
        )
        for outer in outers
    )
