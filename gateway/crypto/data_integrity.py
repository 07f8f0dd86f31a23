"""Signed JSON documents: W3C Data Integrity with the cryptosuite eddsa-jcs-2022 (Data Integrity EdDSA
Cryptosuites v1.0, section 3.3), so that libraries for verifiable credentials can check them, too.

The document without its `proof`, and the proof without its `proofValue`, are each written canonically
(RFC 8785) and hashed with SHA-256; Ed25519 signs the hash of the proof followed by that of the document.
A key is named by itself, as a `did:key`, so nothing has to be looked up.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.crypto.canonical_json import NotCanonical, canonical

SUITE = "eddsa-jcs-2022"
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PUBLIC = b"\xed\x01"
"""The multicodec prefix of such a key."""
_DID_KEY = "did:key:"
_PROOF_KEYS = frozenset(
    {"@context", "type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
)


class BadProof(ValueError):  # noqa: N818 - a state of the input, not an error of the program
    """A document that has no proof of this kind. The text says why and quotes nothing."""


def sign_document(document: Mapping[str, Any], private: bytes, *, created: str) -> dict[str, Any]:
    """The document with a `proof` by the Ed25519 key of this seed; `created` is UTC, as `2026-11-23T13:00:00Z`.

    Raises:
        NotCanonical: the document has no canonical form.
        ValueError: the seed has not 32 bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(private)
    proof: dict[str, Any] = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": created,
        "verificationMethod": verification_method(key.public_key().public_bytes_raw()),
        "proofPurpose": "assertionMethod",
    }
    if "@context" in document:
        proof["@context"] = document["@context"]
    proof["proofValue"] = "z" + base58(key.sign(_hashes(document, proof)))
    return {**document, "proof": proof}


def signer_of(document: Mapping[str, Any]) -> bytes:
    """The public key, 32 bytes, that the document says it is signed with.

    Raises:
        BadProof: it has no proof of this suite by a key that is named as a `did:key`.
    """
    proof = _proof(document)
    method = proof["verificationMethod"]
    key = method.removeprefix(_DID_KEY).partition("#")[0] if isinstance(method, str) else ""
    try:
        raw = from_base58(key.removeprefix("z"))
    except ValueError:
        raw = b""
    public = raw.removeprefix(_ED25519_PUBLIC)
    if len(public) != 32 or method != verification_method(public):
        raise BadProof("the proof names no Ed25519 key as a did:key")
    return public


def is_signed_by(document: Mapping[str, Any], public: bytes) -> bool:
    """Whether the document's proof is this key's, over this very document.

    Raises:
        BadProof: as `signer_of`, or the document has no canonical form.
    """
    proof = dict(_proof(document))
    value = proof.pop("proofValue")
    unsecured = {name: each for name, each in document.items() if name != "proof"}
    if proof.get("@context") != unsecured.get("@context"):
        return False
    try:
        signature = from_base58(value.removeprefix("z")) if value.startswith("z") else b""
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _hashes(unsecured, proof))
    except NotCanonical as error:
        raise BadProof(str(error)) from None
    except (InvalidSignature, ValueError):
        return False
    return True


def verification_method(public: bytes) -> str:
    """The name of an Ed25519 key: `did:key:z6Mk…#z6Mk…`."""
    name = "z" + base58(_ED25519_PUBLIC + public)
    return f"{_DID_KEY}{name}#{name}"


def base58(data: bytes) -> str:
    """Base 58 in the alphabet of Bitcoin; each leading zero byte is a `1`."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def from_base58(text: str) -> bytes:
    """What `base58` wrote. Raises ValueError."""
    if len(text) > 200:
        raise ValueError("too long for a key or a signature")
    number = 0
    for character in text:
        number = number * 58 + _ALPHABET.index(character)
    return bytes(len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _proof(document: Mapping[str, Any]) -> Mapping[str, Any]:
    proof = document.get("proof")
    if not isinstance(proof, dict) or not proof.keys() <= _PROOF_KEYS or not _PROOF_KEYS - {"@context"} <= proof.keys():
        raise BadProof("there is no proof with the keys of a Data Integrity proof")
    if proof["type"] != "DataIntegrityProof" or proof["cryptosuite"] != SUITE:
        raise BadProof(f"the proof is not of the cryptosuite {SUITE}")
    if proof["proofPurpose"] != "assertionMethod" or not isinstance(proof["proofValue"], str):
        raise BadProof("the proof is not made for an assertion")
    return proof


def _hashes(document: Mapping[str, Any], proof: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical(dict(proof))).digest() + hashlib.sha256(canonical(dict(document))).digest()
