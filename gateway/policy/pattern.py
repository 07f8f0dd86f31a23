"""Path and host patterns of `match:`, read once when rules are loaded.

Segments are compared in decoded form, so patterns are written decoded: `/café`, never `/caf%C3%A9`.

>>> parse_path("/users/{id:[0-9]+}/**").names
('id',)
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec
import re2


class Rank(IntEnum):
    """Kinds of segment; the smaller one is tried first."""

    LITERAL = 0
    REGEX = 1
    NAME = 2
    STAR = 3
    REST = 4


class Segment(msgspec.Struct, frozen=True):
    """`literal` serves LITERAL, `regex` serves REGEX; `name` is what a capture is called."""

    rank: Rank
    literal: bytes = b""
    regex: str = ""
    name: str = ""
    column: int = 0


class PathPattern(msgspec.Struct, frozen=True):
    """Segments in order; REST, if any, is the last."""

    text: str
    segments: tuple[Segment, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(segment.name for segment in self.segments if segment.name)

    @property
    def exact(self) -> bytes | None:
        """The one path that matches, where no segment is open."""
        if any(segment.rank is not Rank.LITERAL for segment in self.segments):
            return None
        return b"/" + b"/".join(segment.literal for segment in self.segments)


class PatternError(ValueError):
    """A pattern cannot be read; `offset` counts characters from its start, `code` is a diagnostic's."""

    def __init__(self, code: str, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HINTS = {
    "%": "write the path decoded, as the application sees it",
    "?": "address the query with 'query:NAME'",
    ";": "leave the parameters out: they are not compared",
}


def parse_path(text: str) -> PathPattern:
    """Read a path pattern.

    Raises:
        PatternError: with the code PG210 (syntax) or PG212 (regular expression).
    """
    if not text.startswith("/"):
        raise PatternError("PG210", "a path pattern starts with '/'", 0, f"write '/{text}'")
    segments: list[Segment] = []
    for start, piece in _split(text):
        if segments and segments[-1].rank is Rank.REST:
            raise PatternError("PG210", "'**' can only be the last segment", start, "use '*' for one segment")
        segments.append(_segment(piece, start, last=start + len(piece) == len(text)))
        name = segments[-1].name
        if name and any(name == other.name for other in segments[:-1]):
            raise PatternError("PG210", f"two segments are called '{name}'", start, "give each its own name")
    return PathPattern(text, tuple(segments))


def _split(text: str) -> list[tuple[int, str]]:
    """Pieces between slashes with their offsets; a slash inside braces belongs to the regular expression."""
    pieces: list[tuple[int, str]] = []
    start, depth = 1, 0
    for position in range(1, len(text) + 1):
        character = text[position] if position < len(text) else "/"
        if position == len(text) or (character == "/" and depth == 0):
            pieces.append((start, text[start:position]))
            start = position + 1
        elif character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
    return pieces


def _segment(piece: str, start: int, *, last: bool) -> Segment:
    if piece == "**":
        return Segment(Rank.REST, column=start)
    if piece == "*":
        return Segment(Rank.STAR, column=start)
    if piece.startswith("{") and piece.endswith("}"):
        return _capture(piece[1:-1], start)
    if piece in (".", "..") or (not piece and not last):
        raise PatternError("PG210", "empty segments and dot segments never match", start, "leave the segment out")
    found = re.search(r"[{}*%;\\?#\x00-\x1f]", piece)
    if found:
        message = f"'{found[0]}' cannot stand inside a segment"
        hint = _HINTS.get(found[0], "a segment is text, '{name}', '{name:regex}', '*' or '**', each as a whole")
        raise PatternError("PG210", message, start + found.start(), hint)
    return Segment(Rank.LITERAL, literal=piece.encode(), column=start)


def _capture(inner: str, start: int) -> Segment:
    name, colon, regex = inner.partition(":")
    if not _NAME.fullmatch(name):
        hint = "names are letters, digits and '_', and do not start with a digit"
        raise PatternError("PG210", f"'{name}' cannot be the name of a segment", start + 1, hint)
    if not colon:
        return Segment(Rank.NAME, name=name, column=start)
    try:
        compile_regex(regex)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "cannot be read"
        hint = "the syntax is that of RE2: no look-around and no back-references"
        raise PatternError("PG212", reason, start + len(name) + 2, hint) from None
    return Segment(Rank.REGEX, regex=regex, name=name, column=start + len(name) + 2)


@lru_cache(maxsize=4096)
def compile_regex(regex: str) -> Any:
    """A compiled RE2 expression over bytes.

    Raises:
        re2.error: where it is not RE2 syntax.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(regex.encode(), options)


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(
    rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*(?P<port>:[1-9][0-9]{{0,4}})?|\[[0-9a-f:.]+\](?::[1-9][0-9]{{0,4}})?"
)


def parse_host(text: str) -> str:
    """A host pattern in lower case: a name, a name with a port, or `*.name`; `*` means any host.

    Raises:
        PatternError: with the code PG211.
    """
    host = text.lower().removesuffix(".")
    if host == "*":
        return host
    if "://" in host or "/" in host:
        raise PatternError("PG211", "a host is a name without scheme and path", 0, "write only the host name")
    if not host.isascii():
        hint = f"write '{_to_ascii(host)}'" if _to_ascii(host) else "write it in its ASCII form ('xn--…')"
        raise PatternError("PG211", "host names on the wire are ASCII", 0, hint)
    match = _HOST.fullmatch(host)
    if match is None:
        hint = "'*.' may only be in front, as in '*.example.com'" if "*" in host else ""
        raise PatternError("PG211", f"'{text}' cannot be a host", 0, hint)
    if host.startswith("*.") and match["port"]:
        raise PatternError("PG211", "'*.' and a port do not go together", 0, "leave the port out: any port matches")
    return host


def _to_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""
