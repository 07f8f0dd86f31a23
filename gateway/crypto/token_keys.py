"""The public keys that tokens are verified with: a JWK set (RFC 7517), read for pinned algorithms only.

A key serves an algorithm where its type and curve are that algorithm's and it names no other. Secret
and private keys never serve: a shared secret would let every application that checks tokens make them,
and a private key that is published is everybody's.
"""

from collections.abc import Iterable, Mapping

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import get_default_algorithms

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_TYPES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", ("",))),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519",)),
}
"""Type and curve of the keys of each algorithm (RFC 7518 section 3.1, RFC 8037)."""

ALGORITHMS = tuple(_TYPES)
"""What may be pinned: signatures that only the issuer can make. Never `none`, never a shared secret."""

_SHORTEST_RSA = 2048


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str = ""
    alg: str = ""
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""
    d: str | None = None
    k: str | None = None


class _Set(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


class KeySet:
    """Keys by algorithm and key id."""

    def __init__(self, keys: Mapping[tuple[str, str], tuple[PublicKey, ...]]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """The key of that id; without an id, the only key there is. None where it is unknown, or not the only one."""
        if kid is not None:
            found = self._keys.get((algorithm, kid), ())
        else:
            found = tuple(key for (name, _), keys in self._keys.items() if name == algorithm for key in keys)
        return found[0] if len(found) == 1 else None


def read_key_set(encoded: bytes, algorithms: Iterable[str]) -> KeySet:
    """The keys of a JWK set that serve one of the algorithms; others are passed over, as RFC 7517 section 5 asks.

    Raises:
        ValueError: this is no JWK set, or none of its keys serves; the text holds nothing of the set.
    """
    try:
        listed = msgspec.json.decode(encoded, type=_Set).keys
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("this is no JWK set") from None
    found: dict[tuple[str, str], tuple[PublicKey, ...]] = {}
    pinned = tuple(algorithms)
    for raw in listed:
        try:
            jwk = msgspec.json.decode(raw, type=_Jwk)
        except (msgspec.DecodeError, RecursionError):
            continue
        for algorithm in pinned:
            key = _public_key(jwk, algorithm)
            if key is not None:
                place = (algorithm, jwk.kid)
                found[place] = (*found.get(place, ()), key)
    if not found:
        raise ValueError("no key of this JWK set serves an algorithm that is pinned")
    return KeySet(found)


def _public_key(jwk: _Jwk, algorithm: str) -> PublicKey | None:
    kind, curves = _TYPES[algorithm]
    fits = jwk.kty == kind and jwk.crv in curves and jwk.alg in ("", algorithm)
    if not fits or jwk.use != "sig" or "verify" not in jwk.key_ops or jwk.d is not None or jwk.k is not None:
        return None
    members = {name: value for name in ("kty", "crv", "x", "y", "n", "e") if (value := getattr(jwk, name))}
    try:
        key = get_default_algorithms()[algorithm].from_jwk(members)
    except (jwt.PyJWTError, ValueError, OverflowError):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size >= _SHORTEST_RSA else None
    return key if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) else None
