"""Signed notes and verifier keys as C2SP signed-note and tlog-checkpoint define them, read strictly."""

import functools
import hashlib
import re
from base64 import b64decode, b64encode

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_SIGNATURE = re.compile(r"\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ED25519 = 1


class Malformed(ValueError):  # noqa: N818 - a state of the input, not an error of the program
    """A key or note is not what its specification says. The text says why and quotes nothing."""


def strict_base64(text: str) -> bytes:
    """Decode, or raise Malformed; only the one canonical spelling of the bytes is taken."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise Malformed("not base64") from None
    if b64encode(value).decode() != text:
        raise Malformed("not canonical base64")
    return value


class VerifierKey:
    """An Ed25519 key and the name it signs under."""

    def __init__(self, text: str) -> None:
        match = _VKEY.fullmatch(text)
        if match is None:
            raise Malformed("not a verifier key")
        self.text = text
        self.name = match[1]
        self.key_id = bytes.fromhex(match[2])
        blob = strict_base64(match[3])
        if len(blob) != 33 or blob[0] != _ED25519:
            raise Malformed("not an Ed25519 verifier key")
        if hashlib.sha256(self.name.encode() + b"\n" + blob).digest()[:4] != self.key_id:
            raise Malformed("the key id does not belong to the key")
        self.public = blob[1:]
        self._public = Ed25519PublicKey.from_public_bytes(self.public)

    def named_in(self, signature: bytes) -> bool:
        """Whether a signature, good or not, is of this length and names this key."""
        return len(signature) == 68 and signature[:4] == self.key_id

    def accepts(self, body: bytes, signature: bytes) -> bool:
        """Whether `signature` (key id and 64 bytes) is this key's over `body`."""
        if not self.named_in(signature):
            return False
        try:
            self._public.verify(signature[4:], body)
        except InvalidSignature:
            return False
        return True


@functools.lru_cache(maxsize=1024)
def verifier_key(text: str) -> VerifierKey:
    """The key of its text, which is what is passed around. Raises Malformed."""
    return VerifierKey(text)


class Head(msgspec.Struct, frozen=True):
    """A checkpoint: its origin, size and root, and its signatures as (key name, bytes)."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...] = ()

    def body(self) -> bytes:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n".encode()

    def note(self) -> str:
        lines = [f"\u2014 {name} {b64encode(value).decode()}\n" for name, value in self.signatures]
        return self.body().decode() + "\n" + "".join(lines)


def read_note(text: str) -> Head:
    """The one signed note that a text is. Raises Malformed."""
    heads = read_notes(text)
    if len(heads) != 1:
        raise Malformed("not one signed note")
    return heads[0]


def read_notes(text: str) -> list[Head]:
    """All signed notes of a text, one after the other.

    Raises:
        Malformed: anything in it is neither a checkpoint nor one of its signatures.
    """
    if not text.endswith("\n"):
        raise Malformed("the note does not end with a newline")
    lines = text.split("\n")[:-1]
    heads: list[Head] = []
    position = 0
    while position < len(lines):
        head, position = _read_note(lines, position)
        heads.append(head)
        while position < len(lines) and not lines[position]:
            position += 1
    return heads


def _read_note(lines: list[str], position: int) -> tuple[Head, int]:
    fields = lines[position : position + 4]
    if len(fields) < 4 or not fields[0] or fields[3] or not _SIZE.fullmatch(fields[1]):
        raise Malformed("not a checkpoint")
    root = strict_base64(fields[2])
    if len(root) != 32:
        raise Malformed("the root is not a SHA-256")
    position += 4
    signatures = []
    while position < len(lines) and (match := _SIGNATURE.fullmatch(lines[position])):
        value = strict_base64(match[2])
        if len(value) < 5:
            raise Malformed("a signature is too short")
        signatures.append((match[1], value))
        position += 1
    if not signatures:
        raise Malformed("the checkpoint is not signed")
    return Head(fields[0], int(fields[1]), root, tuple(signatures)), position


def note_fault(data: bytes, head: Head | None) -> str:
    """What is wrong with a sealed segment's note, whose last checkpoint is `head`; empty if nothing is."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "a sealed note is not text"
    if head is None or not text.startswith(head.note()):
        return "a sealed note is not the segment's last checkpoint"
    try:
        notes = read_notes(text)
    except Malformed:
        return "a sealed note has something else after its signature"
    return "" if len(notes) == 1 else "a sealed note holds more than one note"
