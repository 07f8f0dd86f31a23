"""The text of attribute values: charset of a page, and character references (WHATWG HTML 13.2.3, 13.2.5.72)."""

import re
from collections.abc import Mapping
from html.entities import html5
from typing import Final

import msgspec

from gateway.documents.media import content_type_of
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs
from gateway.model.words import Posture

PRESCAN: Final = 4096
"""Bytes in which a page that says no charset elsewhere can name one; browsers look at 1024, some at more."""

_CODECS: Final = {
    "utf-8": b"utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "cp1252": b"ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591"
    b" iso_8859-1 iso_8859-1:1987 l1 latin1 latin-1 us-ascii windows-1252 x-cp1252",
    "gb18030": b"chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
    "big5hkscs": b"big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "koi8-r": b"koi8-r",
    "koi8-u": b"koi8-u",
    **{f"cp{page}": b"windows-%d" % page for page in range(1250, 1259) if page != 1252},
    **{f"iso8859-{part}": b"iso-8859-%d" % part for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
}
_LABELS: Final = {label.decode(): codec for codec, labels in _CODECS.items() for label in labels.split()}
"""Encodings in which ASCII bytes always are ASCII characters, by their labels (WHATWG Encoding)."""

_NAMED = re.compile(rb"charset[\t\n\f\r ]*=[\t\n\f\r ]*[\"']?[\t\n\f\r ]*([^\t\n\f\r \"'/>;]+)", re.IGNORECASE)
_ESCAPED = re.compile(rb"\x1b[$(]")
_REFERENCE = re.compile(r"&(?:#([xX])([0-9a-fA-F]+);?|#([0-9]+);?|([A-Za-z][A-Za-z0-9]*;?))")
_LONGEST = max(map(len, html5))
_REPLACEMENT = "\ufffd"
_MOST_DIGITS: Final = 7


class Charset(msgspec.Struct, frozen=True):
    """`codec` is Python's name; `certain` says that nothing further down the page can name another."""

    codec: str
    certain: bool


def charset_of(headers: HeaderPairs, start: bytes) -> Charset:
    """The charset of a page: byte order mark, Content-Type, or what its first bytes name; else that of the Web's past.

    Raises:
        Unreadable: UNDECODABLE_CHARSET for one in which tags cannot be found without doubt.
    """
    if start.startswith(b"\xef\xbb\xbf"):
        return Charset("utf-8", certain=True)
    if start.startswith((b"\xfe\xff", b"\xff\xfe")):
        raise _undecodable()
    content_type = content_type_of(headers)
    label = content_type.parameters.get("charset") if content_type is not None else None
    if label is not None:
        return Charset(codec_of(label), certain=True)
    named = [codec_of(found.decode("latin-1")) for found in _NAMED.findall(start[:PRESCAN])]
    if not named and _ESCAPED.search(start):
        raise _undecodable()
    return Charset(named[0] if named else "cp1252", certain=False)


def codec_of(label: str) -> str:
    """Raises Unreadable as `charset_of`."""
    codec = _LABELS.get(label.strip("\t\n\f\r ").lower())
    if codec is None:
        raise _undecodable()
    return codec


def check_named(values: Mapping[bytes, str]) -> None:
    """Raise Unreadable where the attributes of a `meta` element name a charset in which tags cannot be found."""
    if b"charset" in values:
        codec_of(values[b"charset"])
    elif values.get(b"http-equiv", "").strip().lower() == "content-type":
        for found in _NAMED.findall(values.get(b"content", "").encode("utf-8", "replace")):
            codec_of(found.decode("latin-1"))


def value_text(raw: bytes, codec: str) -> str:
    """An attribute's value as scripts see it; what is no text becomes U+FFFD."""
    text = raw.decode(codec, "replace").replace("\0", _REPLACEMENT)
    return _resolved(text) if "&" in text else text


def _resolved(text: str) -> str:
    out: list[str] = []
    position = 0
    while (found := _REFERENCE.search(text, position)) is not None:
        out.append(text[position : found.start()])
        hexadecimal, decimal, named = found[2], found[3], found[4]
        if named is None:
            out.append(_character(hexadecimal, 16) if hexadecimal else _character(decimal, 10))
            position = found.end()
            continue
        name = next((named[:size] for size in range(min(len(named), _LONGEST), 1, -1) if named[:size] in html5), "")
        end = found.start() + 1 + len(name)
        after = text[end : end + 1]
        if not name or (not name.endswith(";") and (after == "=" or (after.isascii() and after.isalnum()))):
            out.append(found[0])
            position = found.end()
        else:
            out.append(html5[name])
            position = end
    return "".join((*out, text[position:]))


def _character(digits: str, base: int) -> str:
    """13.2.5.80: the C1 controls are what windows-1252 has in their place."""
    digits = digits.lstrip("0")
    number = int(digits or "0", base) if len(digits) <= _MOST_DIGITS else 0
    if number == 0 or 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        return _REPLACEMENT
    if 0x80 <= number <= 0x9F:
        try:
            return bytes([number]).decode("cp1252")
        except UnicodeDecodeError:
            return chr(number)
    return chr(number)


def _undecodable() -> Unreadable:
    return Unreadable(Posture.UNDECODABLE_CHARSET, "the page is in a charset in which its tags cannot be found")
