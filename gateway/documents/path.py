"""Values in the path of a request target: the spans that a route's `{name}` captured."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from gateway.documents.edit import Edited, PartEdit, Replace
from gateway.model.address import Place
from gateway.model.errors import Unreadable
from gateway.model.words import Posture

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NO_SEGMENT = frozenset({"", ".", ".."})
_STAND_IN = "-"

Spans = Mapping[str, tuple[int, int]]
"""Start and end in bytes of the raw path, by the name in the route's pattern."""


def read_path(path: bytes, spans: Spans, name: str) -> list[str]:
    """The decoded text of the span `name`; nothing where the route has no such span.

    Raises:
        Unreadable: UNPARSABLE_BODY for a broken percent escape, UNDECODABLE_CHARSET for what is not
            UTF-8.
    """
    if name not in spans:
        return []
    start, end = spans[name]
    return [_decoded(path[start:end])]


def edit_path(path: bytes, spans: Spans, edit: PartEdit) -> Edited:
    """The path with the listed spans replaced, percent-encoded (RFC 3986 section 2.1).

    A result that would be no segment of its own (empty, `.` or `..`) becomes `-`, so that the path
    keeps its shape. Spans can only be retained or replaced.

    Raises:
        Unreadable: as `read_path`.
    """
    counts = [0] * edit.size
    changes: dict[tuple[int, int], bytes] = {}
    met = set()
    for field in edit.fields:
        name = field.address.name
        if field.address.place is not Place.PATH or name not in spans or name in met:
            continue
        met.add(name)
        counts[field.index] += 1
        if isinstance(field.operation, Replace):
            start, end = spans[name]
            old = _decoded(path[start:end])
            new = field.operation.transform(old)
            if new != old:
                changes[start, end] = quote(_STAND_IN if new in _NO_SEGMENT else new, safe="").encode("ascii")
    content = path
    for (start, end), new_text in sorted(changes.items(), reverse=True):
        content = content[:start] + new_text + content[end:]
    return Edited(content, tuple(counts))


def _decoded(text: bytes) -> str:
    if _BROKEN_ESCAPE.search(text) is not None:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a percent escape in the path is broken")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the path is not UTF-8") from None
