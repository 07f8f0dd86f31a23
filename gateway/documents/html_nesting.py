"""How deep a page stands in SVG or MathML: it decides which elements hold text and where CDATA is one.

WHATWG HTML, 13.2.6.5 (foreign content). Only elements inside of an `svg` or `math` element are kept, and
of these it is known exactly where they end as long as they are nested properly. Where they are not, or in
a frameset, the page is `tangled` from there on: then nothing is known of the tree any more.
"""

from typing import Final

import msgspec

INTEGRATION: Final = frozenset(b"foreignobject desc title mi mo mn ms mtext annotation-xml".split())
"""Foreign elements whose content may be HTML; the first three in SVG, the others in MathML."""

_SVG_INTEGRATION: Final = frozenset(b"foreignobject desc title".split())
_MATHML_INTEGRATION: Final = INTEGRATION - _SVG_INTEGRATION - {b"annotation-xml"}
_OUT: Final = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta"
    b" nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
"""Start tags that leave foreign content."""

_VOID: Final = frozenset(
    b"area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr".split()
)
_TEXTS: Final = frozenset(b"script style textarea title iframe noembed noframes xmp plaintext".split())
"""Elements whose end the scanner finds, in HTML."""

_FONT: Final = frozenset((b"color", b"face", b"size"))


class _Open(msgspec.Struct, frozen=True, gc=False):
    """An open element. `root` is `svg` or `math` for a foreign one, empty for HTML in an integration point."""

    name: bytes
    root: bytes
    integrates: bool = False


class Nesting:
    """`open` are the elements from the outermost `svg` or `math` to the current one."""

    __slots__ = ("in_select", "open", "tangled")

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.in_select = False
        self.tangled = False

    @property
    def foreign(self) -> bool:
        """Whether start tags are read as foreign ones."""
        return bool(self.open) and bool(self.open[-1].root) and not self.open[-1].integrates

    @property
    def takes_cdata(self) -> bool:
        """Whether the current element is a foreign one, in which CDATA sections are text."""
        return bool(self.open) and bool(self.open[-1].root)

    def start(self, name: bytes, attributes: frozenset[bytes], *, closes_itself: bool) -> None:
        """Take note of a start tag."""
        if self.tangled:
            return
        if self.foreign:
            if name not in _OUT and not (name == b"font" and not attributes.isdisjoint(_FONT)):
                self._foreign_start(name, self.open[-1].root, closes_itself=closes_itself)
                return
            self._leave()
        self._html_start(name, closes_itself=closes_itself)

    def _foreign_start(self, name: bytes, root: bytes, *, closes_itself: bool) -> None:
        if name == b"annotation-xml":
            self._tangle()
        elif not closes_itself:
            inside = _SVG_INTEGRATION if root == b"svg" else _MATHML_INTEGRATION
            self.open.append(_Open(name, root, name in inside))

    def _html_start(self, name: bytes, *, closes_itself: bool) -> None:
        inside = bool(self.open)
        if name in (b"svg", b"math"):
            if self.in_select:
                self._tangle()
            elif not closes_itself:
                self.open.append(_Open(name, name))
        elif name == b"frameset" or (name == b"template" and self.in_select):
            self._tangle()
        elif name == b"select":
            if inside:
                self._tangle()
            self.in_select = True
        elif inside and name in (b"mglyph", b"malignmark"):
            self._tangle()
        elif inside and name not in _VOID and name not in _TEXTS:
            self.open.append(_Open(name, b""))

    def end(self, name: bytes) -> None:
        """Take note of an end tag."""
        if self.tangled:
            return
        if not self.open:
            if name == b"select":
                self.in_select = False
            elif name in INTEGRATION:
                # An integration point that was left open by another parser's reading would end here.
                self._tangle()
        elif not self.open[-1].root:
            if self.open[-1].name == name:
                self.open.pop()
            else:
                self._tangle()
        elif name in (b"br", b"p"):
            # These leave foreign content in newer parsers, and do not in older ones.
            self._tangle()
        else:
            self._foreign_end(name)

    def _foreign_end(self, name: bytes) -> None:
        for depth in range(len(self.open) - 1, -1, -1):
            if not self.open[depth].root:
                break
            if self.open[depth].name == name:
                del self.open[depth:]
                return
        self._tangle()

    def _leave(self) -> None:
        """Close foreign elements up to one whose content is HTML (13.2.6.5, "any of the following start tags")."""
        while self.foreign:
            self.open.pop()

    def _tangle(self) -> None:
        self.tangled = True
        self.open.clear()
