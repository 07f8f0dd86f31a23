r"""How a request path may be understood by whoever stands behind the gateway.

An upstream may decode `%2e`, fold `a/../b`, take `\` for `/`, cut `;parameters` off or stop at a
NUL. The router compares what each reading selects; where they disagree nobody can say which rules
hold, so the request is refused. Only readings are made here: the path itself is never changed.
"""

import re
from typing import TypeAlias

Segments: TypeAlias = "list[tuple[bytes, int, int]]"
"""Decoded text of each segment with its span in the path as it came."""

_DOTS = re.compile(rb"/\.\.?(?:/|\Z)").search
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SEPARATOR = re.compile(rb"/|\\|%2[fF]|%5[cC]")
_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/\\%\x00")
"""Bytes that a path can also hold unescaped, or that readers disagree about (RFC 3986 section 3.3)."""


def doubtful(path: bytes) -> bool:
    """Whether the readings of a path could differ at all. Single bytes are by far the quickest to look for."""
    percent, semicolon, backslash, nul, dot = 37, 59, 92, 0, 46
    return (
        percent in path
        or semicolon in path
        or backslash in path
        or nul in path
        or b"//" in path
        or (dot in path and _DOTS(path) is not None)
    )


def written_view(path: bytes) -> Segments:
    """Segments between the slashes that are there; only escapes that have no other spelling are decoded."""
    return [(_ESCAPE.sub(_needed, path[start:end]), start, end) for start, end in _slashes(path)]


def normal_views(path: bytes) -> list[Segments]:
    """The path decoded and normalised (RFC 3986 section 5.2.4), once more for a reader that decodes twice,
    and cut where a NUL would end it.
    """
    views = [_normal(path, 1)]
    if b"%25" in path:
        views.append(_normal(path, 2))
    views.extend(_normal(path[: path.index(nul)], 1) for nul in (b"\0", b"%00") if nul in path)
    return views


def _needed(escape: re.Match[bytes]) -> bytes:
    byte = int(escape[1], 16)
    return escape[0] if byte in _LITERAL else bytes((byte,))


def _slashes(path: bytes) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 1
    for piece in path[1:].split(b"/"):
        spans.append((start, start + len(piece)))
        start += len(piece) + 1
    return spans


def _normal(path: bytes, rounds: int) -> Segments:
    folded: Segments = []
    start, text = 1, b""
    ends = [(match.start(), match.end()) for match in _SEPARATOR.finditer(path, 1)]
    for end, after in [*ends, (len(path), len(path))]:
        text = path[start:end]
        for _ in range(rounds):
            text = _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), text)
        text = text.partition(b";")[0]
        if text == b"..":
            del folded[-1:]
        elif text not in (b"", b"."):
            folded.append((text, start, end))
        start = after
    if text in (b"", b".", b".."):
        folded.append((b"", len(path), len(path)))
    return folded
