"""What kind of document a body is, told by its label and checked against its first byte.

Only what can be read without doubt has a kind. Two labels, a label that is a list, or a charset that
the gateway does not read are refused, since the next reader might choose differently.
"""

import re
from enum import StrEnum
from functools import lru_cache

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Posture


class Media(StrEnum):
    JSON = "json"
    NDJSON = "ndjson"
    FORM = "form"
    MULTIPART = "multipart"
    TEXT = "text"


class ContentType(msgspec.Struct, frozen=True):
    """A Content-Type as parsed; names of type and parameters in lower case (RFC 9110 section 8.3)."""

    essence: str
    parameters: dict[str, str]


_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - grammar, not a secret
_ESSENCE = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"([^"\\\x00-\x1f\x7f]*)"))?[ \t]*')
_NDJSON = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
    }
)
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_LATIN_1 = frozenset({"iso-8859-1", "latin-1", "latin1"})


def parse_content_type(value: bytes) -> ContentType:
    """Read one field value strictly: no repeated, continued or malformed parameters.

    Raises:
        Unreadable: UNKNOWN_MEDIA_TYPE.
    """
    return _parse(value)


@lru_cache(maxsize=512)
def _parse(value: bytes) -> ContentType:
    try:
        text = value.decode("ascii").strip(" \t")
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "the Content-Type is not ASCII") from None
    start = _ESSENCE.match(text)
    if start is None:
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "the Content-Type is malformed")
    parameters: dict[str, str] = {}
    position = start.end()
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "the Content-Type is malformed")
        position = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in parameters or "*" in name:
            raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "the Content-Type has a parameter twice or in pieces")
        parameters[name] = match[2] if match[2] is not None else match[3]
    return ContentType(start[1].lower(), parameters)


def content_type_of(headers: HeaderPairs) -> ContentType | None:
    """The message's content type, None where it has no such field.

    Raises:
        Unreadable: UNKNOWN_MEDIA_TYPE where there are several or the one is malformed.
    """
    values = header_values(headers, b"content-type")
    if len(values) > 1:
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "there is more than one Content-Type")
    return _parse(values[0]) if values else None


def _media_named(essence: str) -> Media | None:
    if essence in _NDJSON:
        return Media.NDJSON
    if essence in ("application/json-seq", "application/xml"):
        return None
    if essence.endswith(("/json", "+json")):
        return Media.JSON
    match essence:
        case "application/x-www-form-urlencoded":
            return Media.FORM
        case "multipart/form-data":
            return Media.MULTIPART
        case "text/plain":
            return Media.TEXT
        case _:
            return None


_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]")


def looks_like_json(body: bytes) -> bool:
    """Whether lenient receivers, which go by content and skip a byte order mark, may read the body as JSON."""
    return _JSON_START.match(body) is not None


def media_and_charset(headers: HeaderPairs, body: bytes) -> tuple[Media, str]:
    """The kind of the body and the charset of its text, `utf-8` or `latin-1`.

    Raises:
        Unreadable: UNKNOWN_MEDIA_TYPE, UNDECODABLE_CHARSET.
    """
    content_type = content_type_of(headers)
    is_json = looks_like_json(body)
    if content_type is None:
        if is_json:
            return Media.JSON, "utf-8"
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "the body has no Content-Type")
    media = _media_named(content_type.essence)
    if media is None:
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "no reader for this Content-Type")
    if media is Media.TEXT and is_json:
        media = Media.JSON
    label = content_type.parameters.get("charset", "utf-8").lower()
    if label in _UTF_8:
        return media, "utf-8"
    if label in _LATIN_1 and media in (Media.TEXT, Media.FORM):
        return media, "latin-1"
    raise Unreadable(Posture.UNDECODABLE_CHARSET, "the charset is not one that the gateway reads")
