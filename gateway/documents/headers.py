"""Header fields: every line of a name on its own, order and spelling of what stays kept.

What HTTP itself needs to carry a message is *plumbing* and never falls to `rest`; a rule may still
list it. Cookie and Set-Cookie are cut up by `cookies` and never touched here.
"""

import re

import msgspec

from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.model.address import Place
from gateway.model.message import HeaderPairs
from gateway.model.words import Rest

_EITHER_WAY = frozenset(
    b"cache-control connection content-encoding content-language content-length content-range content-type date"
    b" pragma sec-websocket-extensions sec-websocket-protocol transfer-encoding upgrade via".split()
)
REQUEST_PLUMBING: frozenset[bytes] = _EITHER_WAY | frozenset(
    b"accept accept-charset accept-encoding accept-language access-control-request-headers"
    b" access-control-request-method dnt expect host if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since max-forwards origin range sec-gpc sec-websocket-key sec-websocket-version".split()
)
"""Lower-case names that a request needs to be understood, or that state the person's own wish."""

RESPONSE_PLUMBING: frozenset[bytes] = _EITHER_WAY | frozenset(
    b"accept-patch accept-post accept-ranges access-control-allow-credentials access-control-allow-headers"
    b" access-control-allow-methods access-control-allow-origin access-control-expose-headers"
    b" access-control-max-age age allow content-security-policy cross-origin-embedder-policy"
    b" cross-origin-opener-policy cross-origin-resource-policy etag expires last-modified location"
    b" permissions-policy referrer-policy retry-after sec-websocket-accept strict-transport-security vary"
    b" www-authenticate x-content-type-options x-frame-options".split()
)
"""Lower-case names that a response needs to be understood, or that protect the person's browser."""

_ELSEWHERE = frozenset({b"cookie", b"set-cookie"})
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class EditedHeaders(msgspec.Struct, frozen=True, gc=False):
    """As `Edited`, for header fields: `headers` is the very tuple that was given if nothing changed."""

    headers: HeaderPairs
    counts: tuple[int, ...]
    unlisted: int = 0


def read_header(headers: HeaderPairs, name: str) -> list[str]:
    """The value of every line of that name (given in lower case) or its `_` twin, as UTF-8 or else Latin-1 text."""
    wanted = name.encode("ascii").replace(b"_", b"-")
    size = len(wanted)
    return [
        header_text(value) for key, value in headers if len(key) == size and key.lower().replace(b"_", b"-") == wanted
    ]


def edit_headers(headers: HeaderPairs, edit: PartEdit, plumbing: frozenset[bytes]) -> EditedHeaders:
    """Carry out the edit line by line; an emptied line keeps its name."""
    listed: dict[bytes, FieldEdit] = {}
    for field in edit.fields:
        if field.address.place is Place.HEADER:
            listed.setdefault(field.address.name.encode("ascii").replace(b"_", b"-"), field)
    counts = [0] * edit.size
    unlisted = 0
    kept = []
    changed = False
    for pair in headers:
        name = pair[0].lower()
        # CGI and its heirs cannot tell `_` from `-`: a twin of a listed field is that field.
        field_edit = listed.get(name.replace(b"_", b"-") if b"_" in name else name)
        if field_edit is not None:
            counts[field_edit.index] += 1
            new = _edited(pair, field_edit)
        elif edit.rest is Rest.PASS or name in plumbing or name in _ELSEWHERE:
            new = pair
        else:
            unlisted += 1
            new = None if edit.rest is Rest.DROP else pair
        changed = changed or new is not pair
        if new is not None:
            kept.append(new)
    return EditedHeaders(tuple(kept) if changed else headers, tuple(counts), unlisted)


def _edited(pair: tuple[bytes, bytes], field: FieldEdit) -> tuple[bytes, bytes] | None:
    name, value = pair
    match field.operation:
        case Retain():
            return pair
        case Remove():
            return None
        case Empty():
            return (name, b"") if value else pair
        case Replace(transform):
            old = header_text(value)
            new = transform(old)
            return pair if new == old else (name, header_bytes(new))


def header_text(value: bytes) -> str:
    """A field value as text: UTF-8 where it is that, else Latin-1, which every value is."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def header_bytes(text: str) -> bytes:
    """Text as a field value: control characters become spaces (RFC 9110 section 5.5)."""
    return _CONTROL.sub(" ", text).strip(" \t").encode("utf-8")
