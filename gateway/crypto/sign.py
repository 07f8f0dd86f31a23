"""Ed25519 signatures in the form of C2SP signed-note v1.0.0, so that tools we did not write can check them.

A verifier key reads `name+keyid+base64(0x01 || public key)`; a signature is the four bytes of the
key id followed by the 64 bytes of RFC 8032, over the exact text of the note.

>>> parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").name
'PeterNeumann'
"""

import base64
import binascii
import hashlib
import re
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_SIZE = 32
SIGNATURE_SIZE = 4 + 64
_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+]+")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class VerifyKey:
    """The public half: who signed, under which id."""

    __slots__ = ("_public", "key_id", "name", "vkey")

    def __init__(self, name: str, public: bytes) -> None:
        self.name = _checked_name(name)
        self.key_id = key_id(name, public)
        self.vkey = _text(name, self.key_id, public)
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def verify(self, body: bytes, signature: bytes) -> bool:
        """Whether `signature` (key id and Ed25519 signature, 68 bytes) is this key's over `body`."""
        if len(signature) != SIGNATURE_SIZE or signature[:4] != self.key_id:
            return False
        try:
            self._public.verify(signature[4:], body)
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"VerifyKey({self.vkey})"


class SigningKey:
    """The private half. `name` is what notes are signed as, the origin of a log.

    Raises:
        ValueError: the name is empty or holds white space or '+', or the seed has not 32 bytes.
    """

    __slots__ = ("_private", "_seed", "key_id", "name", "vkey")

    def __init__(self, name: str, private: bytes) -> None:
        if len(private) != SEED_SIZE:
            raise ValueError(f"an Ed25519 private key has {SEED_SIZE} bytes")
        self.name = _checked_name(name)
        self._seed = private
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        public = self._private.public_key().public_bytes_raw()
        self.key_id = key_id(name, public)
        self.vkey = _text(name, self.key_id, public)

    def sign(self, body: bytes) -> bytes:
        """Key id and signature over `body`, 68 bytes.

        Raises:
            ValueError: the body does not end in a line feed, which no note may lack.
        """
        if not body.endswith(b"\n"):
            raise ValueError("a signed note ends in a line feed")
        return self.key_id + self._private.sign(body)

    def private_text(self) -> str:
        """The secret as `PRIVATE+KEY+name+keyid+base64(0x01 || seed)`, the form of Go's note package."""
        return _PRIVATE + _text(self.name, self.key_id, self._seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.vkey})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that name an Ed25519 key: SHA-256(name || 0x0A || 0x01 || public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def parse_vkey(text: str) -> VerifyKey:
    """Read a verifier key.

    Raises:
        ValueError: not well formed, another algorithm than Ed25519, or an id that is not this key's.
    """
    name, identifier, public = _fields(text)
    key = VerifyKey(name, public)
    if key.key_id.hex() != identifier:
        raise ValueError("the id in the verifier key is not the id of its key")
    return key


def parse_signing_key(text: str) -> SigningKey:
    """Read what `SigningKey.private_text` wrote.

    Raises:
        ValueError: as `parse_vkey`; no part of the secret is in the message.
    """
    if not text.startswith(_PRIVATE):
        raise ValueError("a signing key begins with PRIVATE+KEY+")
    name, identifier, seed = _fields(text.removeprefix(_PRIVATE))
    key = SigningKey(name, seed)
    if key.key_id.hex() != identifier:
        raise ValueError("the id in the signing key is not the id of its key")
    return key


def verify_signature(vkey: str, body: bytes, signature: bytes) -> bool:
    """Whether `signature` over `body` is the one of the key that `vkey` describes.

    Raises:
        ValueError: `vkey` is no verifier key (a mistake in what is trusted, not a bad signature).
    """
    return parse_vkey(vkey).verify(body, signature)


def _text(name: str, identifier: bytes, key: bytes) -> str:
    return f"{name}+{identifier.hex()}+{base64.b64encode(_ED25519 + key).decode('ascii')}"


def _fields(text: str) -> tuple[str, str, bytes]:
    parts = text.split("+", 2)  # base64 has '+' of its own
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise ValueError("a note key is written name+keyid+base64")
    try:
        raw = base64.b64decode(parts[2], validate=True)
    except binascii.Error:
        raise ValueError("the note key is not valid base64") from None
    if len(raw) != 1 + SEED_SIZE or raw[:1] != _ED25519:
        raise ValueError("the note key is not an Ed25519 key")
    return parts[0], parts[1], raw[1:]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a note key is not empty and has no white space and no '+'")
    return name
