"""Which application sends: proven by `Proxy-Authorization: Basic NAME:SECRET`, or by the network that it sends from."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.model.errors import StoreDown
from gateway.model.network import Network, lies_in
from gateway.model.words import Posture
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings_egress import ApplicationSettings
from gateway.stores.secret_file import LARGEST_SECRET, SecretError, read_secret

VERIFIED, REFUSED, NONE = "verified", "refused", "none"
"""Outcomes: somebody is named; a header does not verify; there is no header, and no network either."""

_BASIC = re.compile(rb"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f]")
_LONGEST = 4 * (64 + 1 + LARGEST_SECRET) // 3 + 32
"""Bytes of a header field that can hold a name and a secret."""
_MOST_REMEMBERED = 4096


class Applications:
    """The applications of gateway.yaml, with their secrets as the files hold them now.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; the secret of an application cannot be read.
    """

    def __init__(self, settings: Mapping[str, ApplicationSettings], metrics: Metrics | None = None) -> None:
        self._digests = {name: _digest(_secret(name, each)) for name, each in settings.items() if each.secret}
        # What an unknown name is compared with, so that it takes the time of a known one.
        self._nobody = secrets.token_bytes(32)
        self._networks = _longest_first(settings)
        self._outcomes = metrics.applications if metrics is not None else {}
        # Looking up secrets in a table tells nothing of them: Python hashes bytes under a random key.
        self._headers: dict[bytes, str] = {}
        self._peers: dict[str, str | None] = {}

    def name(self, authorization: Sequence[bytes], peer: str) -> str | None:
        """Who sends. `authorization` are the values of Proxy-Authorization, `peer` is an address without port.

        A header decides alone: one that does not verify, or a second one, is nobody, wherever it comes from.
        Without one, the longest network that holds the peer decides.
        """
        if not authorization:
            found, outcome = self._of_peer(peer), NONE
        else:
            found, outcome = self._of_header(authorization[0]) if len(authorization) == 1 else None, REFUSED
        if found is not None:
            outcome = VERIFIED
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        return found

    def _of_header(self, value: bytes) -> str | None:
        known = self._headers.get(value)
        if known is not None:
            return known
        credentials = read_basic(value)
        if credentials is None:
            return None
        name, secret = credentials
        expected = self._digests.get(name)
        same = hmac.compare_digest(_digest(secret), expected if expected is not None else self._nobody)
        if not same or expected is None:
            return None
        if len(self._headers) >= _MOST_REMEMBERED:
            self._headers.clear()
        self._headers[value] = name
        return name

    def _of_peer(self, peer: str) -> str | None:
        if peer in self._peers:
            return self._peers[peer]
        found = next((name for network, name in self._networks if lies_in(peer, (network,))), None)
        if len(self._peers) >= _MOST_REMEMBERED:
            self._peers.clear()
        self._peers[peer] = found
        return found


def read_basic(value: bytes) -> tuple[str, str] | None:
    """User and password of one header field, None where it is not exactly what RFC 7617, section 2, describes.

    The name ends at the first colon; control characters, other text than UTF-8, and base64 that could also be
    written in another way are refused.
    """
    match = _BASIC.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None:
        return None
    try:
        decoded = base64.b64decode(match[1], validate=True)
        text = decoded.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, secret = text.partition(":")
    if not colon or base64.b64encode(decoded) != match[1] or _NO_TEXT.search(text):
        return None
    return name, secret


def _secret(name: str, settings: ApplicationSettings) -> str:
    assert settings.secret is not None
    try:
        return read_secret(Path(settings.secret))
    except SecretError as problem:
        why = f"the application '{name}': {problem}; {problem.hint}"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why) from None
    except OSError as problem:
        why = f"the secret of the application '{name}' cannot be read: {problem.strerror}"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why) from None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _longest_first(settings: Mapping[str, ApplicationSettings]) -> list[tuple[Network, str]]:
    pairs = [(ipaddress.ip_network(text), name) for name, each in settings.items() for text in each.networks]
    return sorted(pairs, key=lambda pair: -pair[0].prefixlen)
