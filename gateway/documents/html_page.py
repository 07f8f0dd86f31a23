"""A page whose third parties are held back: edits are insertions into single tags, all other bytes stay.

What is held back keeps its address in an attribute that browsers do not heed: `src` becomes
`data-privacy-src`, and a script with it becomes `type="text/plain"`, so that it neither loads nor runs.
A frame shows a short text in its place. The page decides nothing about hosts: it asks `PageEdit.ruling`.
"""

import re
from collections.abc import Callable
from html import escape
from typing import Final

import msgspec

from gateway.documents.html_fetch import Values, fetches, first_of_each
from gateway.documents.html_scan import HtmlScanner, Tag
from gateway.documents.html_text import PRESCAN, Charset, charset_of, check_named, value_text
from gateway.documents.html_url import DOUBTFUL, HERE, NOWHERE, Whither, host_of
from gateway.documents.multipart_stream import Piece
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs

ASIDE: Final = b"data-privacy-"
"""What is put before the name of an attribute that is held back."""

_DOCTYPE = re.compile(rb"(?:\xef\xbb\xbf)?(?:[\t\n\f\r ]++|<!--(?:-?>|.*?--!?>))*+<!doctype", re.DOTALL | re.IGNORECASE)
HOST: Final = "{host}"
_SCRIPT_SOURCES: Final = frozenset((b"src", b"href", b"xlink:href"))
_UTF_8: Final = ((b"Content-Type", b"text/html; charset=utf-8"),)
_DEEPEST: Final = 4
"""Pages inside of attributes inside of pages."""
_FRAMES: Final = frozenset((b"iframe", b"frame"))
_OF_THE_PAGE: Final = frozenset((b"html", b"body", b"meta", b"base"))
_FEW: Final = 4096
"""Bytes of an unfinished tag that are looked at again whenever anything comes."""


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """What holds for one host: whether it is held back, and the fields of the plan that say so."""

    held: bool
    fields: tuple[int, ...] = ()


class PageEdit(msgspec.Struct, frozen=True, eq=False):
    """What is to be done to the pages of one plan; `size` is the number of its fields.

    `ruling` takes the host as `host_of` writes it, empty where it cannot be told, and gives None for
    hosts of the page's own service. `placeholder` gives what a frame that is held back shows, for the
    language of the page, with HOST where the frame's host is to stand. Without `changes` all is only counted.
    """

    ruling: Callable[[str], Ruling | None]
    size: int
    placeholder: Callable[[str], str] = str
    changes: bool = True


class PageLabel(msgspec.Struct, frozen=True):
    """What is told of one page besides its bytes: the host it was asked of, and what goes before its end.

    `insertion` takes the language that the page says it is in (lower case, or empty).
    """

    host: str
    headers: HeaderPairs
    insertion: Callable[[str], bytes] | None = None


class PageEditor:
    """One page on its way. `counts` are of the plan's fields, `hosts` say how often which was met, and whether held.

    `holds` tells whether anything is, or would be, held back.
    """

    def __init__(self, edit: PageEdit, label: PageLabel, limits: Limits, *, depth: int = 0) -> None:
        self._edit = edit
        self._label = label
        self._limits = limits
        self._depth = depth
        self._scanner = HtmlScanner(limits.html_tag)
        self._charset: Charset | None = None
        self._base = label.host
        self._has_base = False
        self._buffer = b""
        self._due = 0
        self._insertion = label.insertion
        self._language = ""
        self._is_document = False
        self._edits: list[tuple[int, bytes]] = []
        self.counts = [0] * edit.size
        self.hosts: dict[tuple[str, bool], int] = {}
        self.holds = False

    def feed(self, chunk: bytes, *, last: bool = False) -> bytes:
        """What may go on after these bytes; the very object where it is the whole page and nothing changes.

        Raises:
            Unreadable: UNDECODABLE_CHARSET, OVER_SIZE or UNPARSABLE_BODY; nothing more may go on.
        """
        text = self._buffer + chunk if self._buffer else chunk
        if not last and len(text) < self._due:
            self._buffer = text
            return b""
        if self._charset is None:
            if not last and len(text) < PRESCAN:
                self._buffer = text
                return b""
            self._charset = charset_of(self._label.headers, text)
            self._is_document = _DOCTYPE.match(text) is not None
        read = self._scanner.scan(text, last=last)
        self._edits = []
        for tag in self._scanner.tags:
            self._tag(text, tag)
        if last and self._insertion is not None and self._is_document and self._scanner.clean:
            self._insert(len(text))
        self._buffer = text[read:]
        self._due = 2 * len(self._buffer) if len(self._buffer) > _FEW else 0
        return self._edited(text, read)

    def _edited(self, text: bytes, read: int) -> bytes:
        if not self._edits:
            return text if read == len(text) else text[:read]
        pieces: list[bytes] = []
        position = 0
        for at, inserted in sorted(self._edits, key=_place):
            pieces += (text[position:at], inserted)
            position = at
        pieces.append(text[position:read])
        return b"".join(pieces)

    def _insert(self, position: int) -> None:
        if self._insertion is not None:
            self._edits.append((position, self._insertion(self._language)))
            self._insertion = None

    def _tag(self, text: bytes, tag: Tag) -> None:
        if tag.name == b"/body":
            if self._is_document:
                self._insert(tag.start)
            return
        assert self._charset is not None
        codec = self._charset.codec
        values = {
            name: value_text(text[each.value : each.end], codec) if each.value >= 0 else ""
            for name, each in first_of_each(tag.attributes).items()
        }
        if tag.name in _OF_THE_PAGE:
            self._of_the_page(tag, values)
        held: dict[bytes, str] = {}
        met: set[str] = set()
        for name, urls in fetches(tag, values):
            for url in urls:
                host = self._host(url)
                if host is not None and self._is_held(host, met):
                    held.setdefault(name, host)
        if b"srcdoc" in values and tag.name == b"iframe" and self._inner_holds(values[b"srcdoc"]):
            held.setdefault(b"srcdoc", "")
        if held:
            self._hold(tag, held)

    def _of_the_page(self, tag: Tag, values: Values) -> None:
        match tag.name:
            case b"base":
                self._on_base(tag, values)
            case b"meta":
                if self._charset is not None and not self._charset.certain:
                    check_named(values)
            case _:
                self._is_document = True
                self._language = self._language or values.get(b"lang", "").lower()

    def _on_base(self, tag: Tag, values: Values) -> None:
        """A base that is not held back says where relative addresses lead; the first one counts."""
        if b"href" not in values or self._has_base:
            return
        host = self._host(values[b"href"])
        if host is not None and self._is_held(host, set()):
            self._hold(tag, {b"href": host})
            if self._edit.changes:
                return
        self._has_base = True
        if host is not None:
            self._base = host

    def _host(self, url: str) -> str | None:
        """The foreign host that a URL leads to; empty where it cannot be told."""
        found = host_of(url)
        if found is NOWHERE:
            return None
        if found is HERE:
            found = self._base
        if found is DOUBTFUL:
            return ""
        return None if found == self._label.host or isinstance(found, Whither) else found

    def _is_held(self, host: str, met: set[str]) -> bool:
        """Whether a host is held back; a tag that names it counts once."""
        ruling = self._edit.ruling(host)
        if ruling is None:
            return False
        if host not in met:
            met.add(host)
            for index in ruling.fields:
                self.counts[index] += 1
            self.hosts[host, ruling.held] = self.hosts.get((host, ruling.held), 0) + 1
        return ruling.held

    def _inner_holds(self, page: str) -> bool:
        """Whether anything of a page inside of an attribute would be held back; then all of it is."""
        if self._depth == _DEEPEST:
            return True
        inner = PageEditor(self._edit, PageLabel(self._label.host, _UTF_8), self._limits, depth=self._depth + 1)
        inner._base = self._base
        try:
            inner.feed(page.encode("utf-8", "replace"), last=True)
        except Unreadable:
            return True
        for index, count in enumerate(inner.counts):
            self.counts[index] += count
        for key, count in inner.hosts.items():
            self.hosts[key] = self.hosts.get(key, 0) + count
        return inner.holds

    def _hold(self, tag: Tag, held: dict[bytes, str]) -> None:
        self.holds = True
        if not self._edit.changes:
            return
        gone = set(held)
        behind_name = tag.start + 1 + len(tag.name)
        if tag.name == b"script" and not gone.isdisjoint(_SCRIPT_SOURCES):
            gone.add(b"type")
            self._edits.append((behind_name, b' type="text/plain"'))
        elif tag.name in _FRAMES and not gone.isdisjoint((b"src", b"srcdoc")):
            gone.add(b"srcdoc")
            text = self._edit.placeholder(self._language).replace(HOST, next(iter(held.values())) or "?")
            page = f"<!doctype html><meta name=color-scheme content='light dark'><p role=note>{escape(text)}</p>"
            self._edits.append((behind_name, b' srcdoc="%b"' % escape(page).encode("ascii", "xmlcharrefreplace")))
        # Every one of the name: a browser that no longer sees the first would heed the second.
        self._edits.extend((each.start, ASIDE) for each in tag.attributes if each.name in gone)


def _place(edit: tuple[int, bytes]) -> int:
    return edit[0]


class HtmlStream:
    """A page too large to be held: see BodyStream."""

    def __init__(self, edit: PageEdit, label: PageLabel, limits: Limits) -> None:
        self._editor = PageEditor(edit, label, limits)
        self._counted = (0,) * edit.size

    def feed(self, chunk: bytes) -> list[Piece]:
        """See BodyStream."""
        return self._pieces(self._editor.feed(chunk))

    def finish(self) -> list[Piece]:
        """See BodyStream; what is unfinished at its end is text to a browser, or nothing."""
        return self._pieces(self._editor.feed(b"", last=True))

    def _pieces(self, content: bytes) -> list[Piece]:
        counts = tuple(self._editor.counts)
        met = tuple(now - before for now, before in zip(counts, self._counted, strict=True))
        self._counted = counts
        return [Piece(content, met if any(met) else None)] if content or any(met) else []
