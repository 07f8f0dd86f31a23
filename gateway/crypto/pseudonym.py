"""Pseudonyms and keyed hashes: the same value under the same key gives the same text, and no way back.

`p1.<kid>.<22>` is scoped to recipient and class, `h1.<kid>.<22>` to the class alone. The 22
characters are the first 128 bits of an HMAC-SHA256 over the canonical form of the value, so that
spellings of one thing join.
"""

import functools
import re
import unicodedata
from collections.abc import Callable

from gateway.crypto.keyring import FieldKey, encode_tag

_EMAIL = "user.contact.email"
_PHONE = "user.contact.phone_number"
_CARD = "user.financial.credit_card"
_PSEUDONYM = re.compile(r"p1\.[0-9]{2}q[1-4][a-z]\.[A-Za-z0-9_-]{21}[AQgw]")
_NOT_DIGITS = bytes(range(0x30)) + bytes(range(0x3A, 0x100))


def pseudonym(key: FieldKey, text: str, data_class: str) -> str:
    """`p1.<kid>.<22>` of a value; `key` decides the scope. A lone surrogate counts as its code point."""
    return f"p1.{key.kid}.{encode_tag(key.tag(canonical_bytes(text, data_class)))}"


def is_pseudonym(text: str) -> bool:
    """Whether `text` has exactly the form of `pseudonym`, whoever made it."""
    return _PSEUDONYM.fullmatch(text) is not None


def keyed_hash(key: FieldKey, text: str, data_class: str) -> str:
    """`h1.<kid>.<22>` of a value, for keys that are the same for all recipients."""
    return f"h1.{key.kid}.{encode_tag(key.tag(canonical_bytes(text, data_class)))}"


def canonical_bytes(text: str, data_class: str) -> bytes:
    """The form of a value that is compared: e-mail folded, phone and card as digits, all else NFC."""
    return _form_of(data_class)(text).encode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=1024)
def _form_of(data_class: str) -> Callable[[str], str]:
    for prefix, form in ((_EMAIL, _folded), (_PHONE, _phone), (_CARD, _digits)):
        if data_class == prefix or data_class.startswith(prefix + "."):
            return form
    return _plain


def _plain(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _digits(text: str) -> str:
    if text.isascii():
        found = text.encode().translate(None, _NOT_DIGITS).decode()
    else:
        found = "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
    # Without a digit there is nothing to compare by, and unlike things must not join.
    return found or _folded(text)


def _phone(text: str) -> str:
    digits = _digits(text)
    start = text.lstrip()[:1]
    return "+" + digits if unicodedata.normalize("NFKC", start) == "+" else digits
