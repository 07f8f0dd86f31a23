"""Who calls, by the first verified source that speaks: client certificate, token, trusted header, the
application's session, the cookie of a visitor; else nobody.

A source that speaks but does not verify ends the search: whoever sends a bad token is nobody, and not
whom a weaker source would name. A request without any source is nobody too, and nobody has consented.
"""

import hashlib
import ipaddress
import re
import time
from collections import OrderedDict
from typing import Final

import msgspec

from gateway.crypto.certificate import identity_of_certificate
from gateway.crypto.keyring import names_visitor
from gateway.crypto.signed_token import TokenDoubt, TokenRefused, TokenTerms, verify_token
from gateway.crypto.token_keys import KeySet
from gateway.documents.cookies import read_cookie
from gateway.documents.headers import header_text
from gateway.engine.exchange import Exchange
from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.identity import Identity, IdentitySource
from gateway.model.message import RequestHead, ResponseHead, header_values
from gateway.model.network import lies_in
from gateway.runtime.key_source import KeySource
from gateway.runtime.metrics import Metrics
from gateway.runtime.sessions import Sessions
from gateway.runtime.settings_identity import IdentitySettings, TokenSettings
from gateway.runtime.visitors import Visitors

VERIFIED_AT_MOST = 16_384
"""Verified tokens that are remembered, until they expire; of more, those used longest ago go."""

_VERIFIED: Final = "verified"
_REFUSED: Final = "refused"
_REPEATED: Final = "repeated"
_SPENT: Final = "spent"
_NO_KEYS: Final = "no_keys"
_FOREVER: Final = float("inf")
_TWICE: Final = Identity(IdentitySource.HEADER, "", _FOREVER)
_BEARER = re.compile(rb"(?i:bearer) +([^ ]+)")
_BEGINS_BEARER = re.compile(rb"(?i)bearer(?: |$)")


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """Whom a block of header fields names as long as the keys are these; kept with the block.

    None where neither token nor header spoke.
    """

    identity: Identity | None
    keys: KeySet | None


class Tokens:
    """Verifies tokens, each once: afterwards its digest is enough until it expires or the keys change."""

    def __init__(self, settings: TokenSettings, source: KeySource) -> None:
        self.source = source
        self._settings = settings
        self._terms: TokenTerms = settings.terms
        self._field = settings.name.encode()
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        self._verified_with: KeySet | None = None

    def carried_by(self, head: RequestHead) -> list[bytes]:
        """Every token that the request carries in the configured place.

        Raises:
            TokenRefused: the place cannot be read without doubt.
        """
        if self._settings.place == "cookie":
            try:
                return [text.encode() for text in read_cookie(head.headers, self._settings.name)]
            except (Unreadable, UnicodeEncodeError):
                raise TokenRefused(TokenDoubt.MALFORMED) from None
        values = header_values(head.headers, self._field)
        if self._field == b"authorization":
            values = [value for value in values if _BEGINS_BEARER.match(value)]
        return [_without_scheme(value.strip(b" \t")) for value in values]

    def verify(self, token: bytes, now: float) -> Identity:
        """Whom the token names. Raises TokenRefused, also where there are no keys yet."""
        keys = self.source.keys
        if keys is None:
            raise TokenRefused(TokenDoubt.UNKNOWN_KEY)
        if keys is not self._verified_with:
            self._verified.clear()
            self._verified_with = keys
        digest = hashlib.sha256(token).digest()
        known = self._verified.get(digest)
        if known is not None and now < known.until:
            self._verified.move_to_end(digest)
            return known
        try:
            identity = _no_visitor(verify_token(token, keys, self._terms, now))
        except TokenRefused as refused:
            self._verified.pop(digest, None)
            if refused.doubt is TokenDoubt.UNKNOWN_KEY:
                self.source.missed()
            raise
        self._verified[digest] = identity
        if len(self._verified) > VERIFIED_AT_MOST:
            self._verified.popitem(last=False)
        return identity


class Identities:
    """The sources of one worker, in their order."""

    def __init__(
        self, settings: IdentitySettings, tokens: Tokens | None, metrics: Metrics, visitors: Visitors | None = None
    ) -> None:
        self.sessions: Sessions | None = None
        """The application's sessions; None where the deployment names no cookie of theirs."""
        self.visitors = visitors
        """Makes and reads the cookies of visitors; None where the deployment has none."""
        trusted = settings.trusted_header
        self.guarded = trusted.name.encode() if trusted is not None else b""
        """The trusted header, lower-case; empty where there is none. Ingress takes it from all but listed peers."""
        self._networks = tuple(map(ipaddress.ip_network, trusted.networks)) if trusted is not None else ()
        self._part = settings.client_certificate
        self._tokens = tokens
        self._metrics = metrics

    @property
    def follows(self) -> bool:
        """Whether answers are to be shown to `follow`."""
        return self.sessions is not None or self.visitors is not None

    def lists(self, peer: str) -> bool:
        """Whether the peer's address (no port) may send the trusted header; a peer without an address never may."""
        return lies_in(peer, self._networks)

    def of_certificate(self, encoded: bytes | None) -> Identity | None:
        """Whom the certificate of a connection's client names, for all its requests."""
        if encoded is None or self._part is None:
            return None
        identity = identity_of_certificate(encoded, self._part)
        if identity is not None and names_visitor(identity.name):
            return Identity(IdentitySource.CERTIFICATE, "", identity.until)
        return identity

    def awaits_keys(self, head: RequestHead) -> bool:
        """Whether the request carries a token, and the first keys may come in a moment."""
        tokens = self._tokens
        if tokens is None or not tokens.source.pending or head.certified is not None:
            return False
        try:
            return bool(tokens.carried_by(head))
        except TokenRefused:
            return False

    async def keys_come(self) -> None:
        """Wait for the first keys, or until they could not be had; bounded by one fetch."""
        if self._tokens is not None:
            await self._tokens.source.first()

    def resolve(self, head: RequestHead) -> Identity | None:
        """Whom the first source that speaks names now; None for nobody. Counted.

        Raises:
            StoreDown: nobody can tell whose the session is.
        """
        now = time.time()
        if head.certified is not None:
            named = bool(head.certified.name) and now < head.certified.until
            self._count(IdentitySource.CERTIFICATE, _VERIFIED if named else _REFUSED)
            return head.certified if named else None
        keys = self._tokens.source.keys if self._tokens is not None else None
        kept = head.derived.get(Identities)
        if isinstance(kept, _Kept) and kept.keys is keys and (kept.identity is None or now < kept.identity.until):
            identity = kept.identity
        else:
            try:
                identity = self._told(head, keys, now)
            except TokenRefused:
                return None
            head.derived[Identities] = _Kept(identity, keys)
        if identity is None:
            identity = self._browser(head, now)
            if identity is None:
                return None
        if not identity.names_somebody:
            twice = identity is _TWICE or identity.source is IdentitySource.SESSION
            self._count(identity.source, _REPEATED if twice else _REFUSED)
            return None
        self._count(identity.source, _VERIFIED)
        return identity

    def is_claimed(self, head: RequestHead) -> bool:
        """Whether something else than a visitor's cookie says whom the request is from, believed or not.

        Somebody who is signed in badly is nobody, and no visitor either.
        """
        if head.certified is not None:
            return True
        try:
            if self._tokens is not None and self._tokens.carried_by(head):
                return True
        except TokenRefused:
            return True
        if self.guarded and any(value.strip() for value in header_values(head.headers, self.guarded)):
            return True
        return self.sessions is not None and self.sessions.comes_twice(head)

    def _browser(self, head: RequestHead, now: float) -> Identity | None:
        """Whom session or visitor name. Raises StoreDown."""
        sessions = self.sessions
        if sessions is None:
            return head.visitor
        identity = sessions.resolve(head, now) or head.visitor
        if identity is not None and identity is head.visitor and sessions.is_spent(head):
            self._count(IdentitySource.VISITOR, _SPENT)
            return None
        return identity

    async def follow(self, exchange: Exchange, head: ResponseHead, body: bytes | None, subject: str | None) -> None:
        """Learn from an answer who signed in or out, before anything is made of it; as `Sessions.follow`.

        Raises:
            Fault: the service sets the cookie by which the gateway knows visitors.
            StoreDown: what was learned cannot be kept.
        """
        if self.visitors is not None and self.visitors.is_set_by(head.fields):
            raise Fault("upstream_broken", Source.UPSTREAM, "the service sets the gateway's own cookie")
        if self.sessions is not None:
            await self.sessions.follow(exchange, head, body, subject)

    def _told(self, head: RequestHead, keys: KeySet | None, now: float) -> Identity | None:
        """Whom token or header name; None where neither is there. Raises TokenRefused, which is counted."""
        identity = self._token(head, keys, now)
        if identity is not None or not self.guarded:
            return identity
        values = header_values(head.headers, self.guarded)
        if len(values) > 1:
            return _TWICE
        name = header_text(values[0]).strip() if values else ""
        if not name:
            return None
        return Identity(IdentitySource.HEADER, "" if names_visitor(name) else name, _FOREVER)

    def _token(self, head: RequestHead, keys: KeySet | None, now: float) -> Identity | None:
        """Whom the token names; None where the request carries none. Raises TokenRefused, which is counted."""
        if self._tokens is None:
            return None
        try:
            carried = self._tokens.carried_by(head)
            if not carried:
                return None
            if len(carried) == 1:
                return self._tokens.verify(carried[0], now)
        except TokenRefused as refused:
            self._count(IdentitySource.TOKEN, refused.doubt if keys is not None else _NO_KEYS)
            raise
        self._count(IdentitySource.TOKEN, _REPEATED)
        raise TokenRefused(TokenDoubt.MALFORMED)

    def _count(self, source: IdentitySource, outcome: str) -> None:
        self._metrics.identities[source, outcome] += 1

    def abandon(self) -> None:
        """Stop what goes on in the background, without waiting for its end."""
        if self._tokens is not None:
            self._tokens.source.abandon()

    async def close(self) -> None:
        if self.sessions is not None:
            self.sessions.close()
        if self._tokens is not None:
            await self._tokens.source.close()


def _no_visitor(identity: Identity) -> Identity:
    if names_visitor(identity.name):
        raise TokenRefused(TokenDoubt.NOBODY)
    return identity


def _without_scheme(value: bytes) -> bytes:
    match = _BEARER.fullmatch(value)
    return match[1] if match else value
