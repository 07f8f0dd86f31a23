"""The root key, everything derived from it, and the handles of people.

A scope is label x recipient x class x epoch. Keys of different scopes are independent, so two
recipients cannot join what they hold, and a new key id ends all joins with the old one.

A person has a random key of their own, from which the handle in records and consents is made. The
root key only leads from an identifier to the place where that key is kept, and wraps it: once the
key is destroyed, nobody can tell whose handle it was. Handles do not carry the key id: consent given
in one epoch has to be found in the next.
"""

import base64
import re
import unicodedata
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from gateway.model.identity import VISITOR_PREFIX

ROOT_KEY_SIZE = 32
SUBJECT_KEY_SIZE = 32
_KID = re.compile(r"[0-9]{2}q[1-4][a-z]")
_HANDLE = re.compile(r"s1\.[A-Za-z0-9_-]{21}[AQgw]")
_LIKE_A_PSEUDONYM = re.compile(r"p1\.[0-9]{2}q[1-4][a-z]\.")
_VISITOR = VISITOR_PREFIX.encode()
_ENCODED_SIZE = 22  # 128 bits in base64url without padding


def parse_kid(text: str) -> str:
    """Return `text` if it is a key id: two-digit year, quarter, generation, as in `26q4a`.

    Raises:
        ValueError: it is not; the text itself is not repeated.
    """
    if not _KID.fullmatch(text):
        raise ValueError("a key id is written like 26q4a: year, quarter, generation")
    return text


def is_subject_handle(text: str) -> bool:
    """Whether `text` has the form of `handle_of_key`, so is not an identifier in the clear."""
    return _HANDLE.fullmatch(text) is not None


def encode_tag(tag: bytes) -> str:
    """The first 128 bits of a MAC as 22 characters of base64url."""
    return base64.urlsafe_b64encode(tag[:16])[:_ENCODED_SIZE].decode("ascii")


def canonical_text(text: str) -> str:
    """NFKC, without outer white space, case folded: the form in which spellings of one thing are alike."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def canonical_identifier(identifier: str) -> bytes:
    """The form of an identifier that tells people apart: `canonical_text`, in UTF-8.

    So `Ann@Shop.Example ` and `ann@shop.example` are one person.

    Raises:
        ValueError: nothing is left of the identifier, or it holds a lone surrogate; or it is a pseudonym, or
            meant to be one: that stands for somebody, and never is somebody new.
    """
    canonical = canonical_text(identifier)
    if not canonical:
        raise ValueError("an empty identifier names nobody")
    if canonical.startswith("p1.") and _LIKE_A_PSEUDONYM.match(canonical):
        raise ValueError("a pseudonym is no identifier: give the one that it stands for")
    try:
        return canonical.encode()
    except UnicodeEncodeError:
        # The codec's own text would repeat the identifier.
        raise ValueError("the identifier is not valid Unicode text") from None


def names_visitor(identifier: str) -> bool:
    """Whether this, however it is spelt, is the name of a visitor, so one that only a visitor's cookie may give."""
    if identifier.isascii() and ":" not in identifier:
        return False
    try:
        return canonical_identifier(identifier).startswith(_VISITOR)
    except ValueError:
        return False


def handle_of_key(key: bytes) -> str:
    """The handle of the person whose key this is: `s1.` and 22 characters of base64url."""
    mac = HMAC(key, SHA256())
    mac.update(b"log")
    return "s1." + encode_tag(mac.finalize())


class FieldKey:
    """A keyed HMAC-SHA256 for one scope. Copied for each value, which is cheaper than keying it again."""

    __slots__ = ("_keyed", "kid")

    def __init__(self, key: bytes, kid: str) -> None:
        self._keyed = HMAC(key, SHA256())
        self.kid = kid

    def tag(self, message: bytes) -> bytes:
        """HMAC-SHA256 (RFC 2104) of the message, 32 bytes."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.finalize()

    def __repr__(self) -> str:
        return f"FieldKey({self.kid})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


class KeyRing:
    """Derives what the gateway needs from one root key of 32 random bytes.

    Raises:
        ValueError: the root has another length, or the key id is not well formed.
    """

    __slots__ = (
        "_fields", "_forms", "_indexes", "_pseudonyms", "_root", "_sessions", "_subjects", "_visitors", "kid",
    )  # fmt: skip

    def __init__(self, root: bytes, kid: str) -> None:
        if len(root) != ROOT_KEY_SIZE:
            raise ValueError(f"a root key has {ROOT_KEY_SIZE} bytes")
        self.kid = parse_kid(kid)
        self._root = root
        self._subjects = FieldKey(_derive(root, "subject"), "")
        self._indexes = FieldKey(_derive(root, "subject-index"), "")
        self._pseudonyms = FieldKey(_derive(root, "pseudonym-index"), "")
        self._sessions = FieldKey(_derive(root, "session"), "")
        self._visitors = FieldKey(_derive(root, "visitor"), "")
        self._forms = FieldKey(_derive(root, "form"), "")
        self._fields: dict[tuple[str, str, str], FieldKey] = {}

    def subject_handle(self, identifier: str) -> str:
        """A handle that follows from root key and identifier alone, for trials on paper, which keep nothing.

        Raises:
            ValueError: as `canonical_identifier`.
        """
        return "s1." + encode_tag(self._subjects.tag(canonical_identifier(identifier)))

    def subject_index(self, identifier: str) -> bytes:
        """Where a person's key is kept: 16 bytes that tell nobody without the root key who it is.

        Raises:
            ValueError: as `canonical_identifier`.
        """
        return self._indexes.tag(canonical_identifier(identifier))[:16]

    def pseudonym_index(self, pseudonym: str) -> bytes:
        """Where it is kept whom a pseudonym stands for: 16 bytes that give the pseudonym away to nobody."""
        return self._pseudonyms.tag(pseudonym.encode())[:16]

    def visitor_tag(self, number: bytes) -> str:
        """What shows that a visitor's number was given by this gateway: 22 characters of base64url."""
        return encode_tag(self._visitors.tag(number))

    def form_tag(self, made_for: bytes) -> str:
        """What shows that a form was made by this gateway, and for whom: 22 characters of base64url."""
        return encode_tag(self._forms.tag(made_for))

    def session_index(self, value: bytes) -> bytes:
        """Where it is kept whose session this is: 16 bytes that give the value away to nobody."""
        return self._sessions.tag(b"session:" + value)[:16]

    def spent_index(self, visitor: str) -> bytes:
        """Where it is kept that this visitor (by name) has become somebody: 16 bytes that name nobody."""
        return self._sessions.tag(b"visitor:" + visitor.encode())[:16]

    def subject_root(self) -> bytes:
        """16 bytes by which a store of people knows the root key that it was made under."""
        return _derive(self._root, "subject-root")[:16]

    def receipt_seed(self) -> bytes:
        """The private Ed25519 key, 32 bytes, that signs consent receipts; it ends with the root key."""
        return _derive(self._root, "receipt-signing")

    def wrap_subject_key(self, index: bytes, key: bytes) -> bytes:
        """The key of the person at `index` as it is stored: AES-256 key wrap (RFC 3394), 40 bytes.

        Each index has a wrapping key of its own, so a row moved to another index does not open.
        """
        return aes_key_wrap(_derive(self._root, "subject-key", index.hex()), key)

    def unwrap_subject_key(self, index: bytes, wrapped: bytes) -> bytes:
        """The key that `wrap_subject_key` wrapped.

        Raises:
            ValueError: it was wrapped for another index or under another root key, or is damaged.
        """
        try:
            return aes_key_unwrap(_derive(self._root, "subject-key", index.hex()), wrapped)
        except InvalidUnwrap:
            raise ValueError("the person's key does not open with this root key") from None

    def field_key(self, label: str, recipient: str, data_class: str) -> FieldKey:
        """The key of one scope in the present epoch: HKDF-SHA256 (RFC 5869) of the root, kept once derived."""
        scope = (label, recipient, data_class)
        key = self._fields.get(scope)
        if key is None:
            key = FieldKey(_derive(self._root, "field", self.kid, *scope), self.kid)
            self._fields[scope] = key
        return key

    def __repr__(self) -> str:
        return f"KeyRing({self.kid})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


def _derive(root: bytes, *context: str) -> bytes:
    # Each part carries its length: "ab"+"c" and "a"+"bc" must not name the same key.
    info = b"pgw/v1"
    for part in context:
        encoded = part.encode()
        info += len(encoded).to_bytes(2, "big") + encoded
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(root)
