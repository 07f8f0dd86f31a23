"""Signed tokens (JWT, RFC 7519, in the compact form of RFC 7515), verified as RFC 8725 asks.

The signature is PyJWT's work. The algorithm is one that the deployment pinned and that fits the key;
issuer, audience and expiry have to be there. The clock comes in as an argument.
"""

import math
import re
from collections.abc import Sequence
from enum import StrEnum

import jwt
import msgspec

from gateway.crypto.token_keys import KeySet
from gateway.model.identity import Identity, IdentitySource

LONGEST = 16 * 1024
"""Characters of a token; what is longer is not looked at."""

_LATEST = 2**53
_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = jwt.PyJWS()


class TokenDoubt(StrEnum):
    """Why a token does not verify: a label of the metrics, and no more is said of it."""

    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    NOBODY = "nobody"


class TokenRefused(Exception):  # noqa: N818 - the word of the glossary
    """The token is not to be believed; holds nothing of it."""

    def __init__(self, doubt: TokenDoubt) -> None:
        super().__init__(doubt)
        self.doubt = doubt


class TokenTerms(msgspec.Struct, frozen=True):
    """What a token has to say. `claim` names the person; `leeway` is in seconds, for clocks that differ."""

    algorithms: tuple[str, ...]
    issuer: str
    audience: str
    claim: str = "sub"
    leeway: int = 30


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    exp: int | float
    nbf: int | float = 0
    iat: int | float = 0


def verify_token(token: bytes, keys: KeySet, terms: TokenTerms, now: float) -> Identity:
    """Whom a token names, and until when.

    Raises:
        TokenRefused: it does not verify at this moment (`now`, seconds since the epoch).
    """
    header = _header_of(token)
    if header.alg not in terms.algorithms:
        raise TokenRefused(TokenDoubt.ALGORITHM)
    key = keys.find(header.alg, header.kid)
    if key is None:
        raise TokenRefused(TokenDoubt.UNKNOWN_KEY)
    try:
        # PyJWT reads the header anew; one that it reads otherwise names no algorithm of this list.
        payload: bytes = _JWS.decode_complete(token, key, [header.alg])["payload"]
    except jwt.InvalidSignatureError:
        raise TokenRefused(TokenDoubt.SIGNATURE) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused(TokenDoubt.MALFORMED) from None
    return _checked(payload, terms, now)


def _header_of(token: bytes) -> _Header:
    if len(token) > LONGEST or _COMPACT.fullmatch(token) is None:
        raise TokenRefused(TokenDoubt.MALFORMED)
    encoded = token.partition(b".")[0]
    try:
        return msgspec.json.decode(jwt.utils.base64url_decode(encoded), type=_Header)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise TokenRefused(TokenDoubt.MALFORMED) from None


def _checked(payload: bytes, terms: TokenTerms, now: float) -> Identity:
    try:
        claims = msgspec.json.decode(payload, type=_Claims)
        everything = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise TokenRefused(TokenDoubt.MALFORMED) from None
    if not all(math.isfinite(each) and abs(each) <= _LATEST for each in (claims.exp, claims.nbf, claims.iat)):
        raise TokenRefused(TokenDoubt.MALFORMED)
    if claims.iss != terms.issuer:
        raise TokenRefused(TokenDoubt.ISSUER)
    audience: Sequence[str] = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if terms.audience not in audience:
        raise TokenRefused(TokenDoubt.AUDIENCE)
    if now >= claims.exp + terms.leeway:
        raise TokenRefused(TokenDoubt.EXPIRED)
    if now < max(claims.nbf, claims.iat) - terms.leeway:
        raise TokenRefused(TokenDoubt.NOT_YET)
    return Identity(IdentitySource.TOKEN, _name(everything.get(terms.claim)), claims.exp + terms.leeway)


def _name(raw: msgspec.Raw | None) -> str:
    """A person's claim is a text that says something; a number or a list is nobody's name."""
    try:
        name = msgspec.json.decode(raw or b"null", type=str)
    except (msgspec.DecodeError, RecursionError):
        raise TokenRefused(TokenDoubt.NOBODY) from None
    if not name.strip():
        raise TokenRefused(TokenDoubt.NOBODY)
    return name
