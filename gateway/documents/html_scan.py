"""HTML tags found in bytes, with the exact place of every attribute (WHATWG HTML, 13.2.5 Tokenization).

Only what decides where tags begin and end is tokenised, and only tags that `_PASSED` does not step over
are handed out: elements that fetch something, and those that change how the text behind them is read.
Which of script, style, title and the like hold plain text depends on the tree that a parser builds, so as
much of the tree is kept as decides it: foreign content (SVG, MathML) with its integration points. Where
the tree cannot be known without building all of it, text is taken only if both ways of reading it agree.

    scanner = HtmlScanner()
    read = scanner.scan(text, last=False)     bytes that need not be given again
    scanner.tags                              what was met in them, places within `text`

The text has to be in an encoding whose ASCII bytes are ASCII characters.
"""

import re
from typing import Final

import msgspec

from gateway.documents.html_nesting import INTEGRATION, Nesting
from gateway.model.errors import Unreadable
from gateway.model.words import Posture


class Attribute(msgspec.Struct, frozen=True, gc=False):
    """`name` is in lower case; `value` and `end` are -1 where there is no value, and leave its quotes out."""

    name: bytes
    start: int
    value: int
    end: int


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A start tag, its name in lower case; an end tag has a name that begins with `/` and no attributes."""

    name: bytes
    start: int
    end: int
    attributes: tuple[Attribute, ...] = ()


_W = rb"\t\n\f\r "
_NAME_END = rb"(?=[\t\n\f\r />])"
_FETCHING = (
    rb"(?:xlink:href|formaction|attributionsrc|imagesrcset|srcset|srcdoc|src|poster|background|action|data|ping)"
)
_VALUE = rb"(?:[%b]*+=[%b]*+(?:\"[^\"]*+\"|'[^']*+'|[^%b>\"'][^%b>]*+|(?=>))|(?![%b]*+=))" % (_W, _W, _W, _W, _W)
_ATTRIBUTE = rb"[^%b/>][^%b/>=]*+%b" % (_W, _W, _VALUE)
_ATTRIBUTES = rb"(?:[%b/]*+%b)*+[%b/]*+" % (_W, _ATTRIBUTE, _W)
_PLAIN_ATTRIBUTES = rb"(?:[%b/]*+(?!%b[%b/>=])%b)*+[%b/]*+" % (_W, _FETCHING, _W, _ATTRIBUTE, _W)
_TEXTS: Final = frozenset(b"script style textarea title iframe noembed noframes noscript xmp plaintext".split())
_LOOKED_AT = b"base|body|frameset|html|link|math|meta|select|svg|template|" + b"|".join(sorted(_TEXTS))
_COMMENT = rb"<!--(?:-?>|(?:[^-]++|-(?!-!?>))*+--!?>)"
_ENDS = b"body|select|" + b"|".join(sorted({b"svg", b"math", *INTEGRATION}))
_PASSED = re.compile(
    rb"(?:[^<]++|<(?=[^a-z/!?])|<(?!(?:%b)%b)[a-z][^%b/>]*+%b>|</(?!(?:%b)%b)[a-z][^%b/>]*+%b>|%b)*+"
    % (_LOOKED_AT, _NAME_END, _W, _PLAIN_ATTRIBUTES, _ENDS, _NAME_END, _W, _ATTRIBUTES, _COMMENT)
)
_TEXT_ONLY = re.compile(rb"(?:[^<]++|<(?=[^a-z/!?])|%b)*+" % _COMMENT)
_START = re.compile(rb"<([a-z][^%b/>]*+)(%b)>" % (_W, _ATTRIBUTES))
_END = re.compile(rb"</([a-z][^%b/>]*+)%b>" % (_W, _ATTRIBUTES))
_PARTS = re.compile(
    rb"[%b/]*+([^%b/>][^%b/>=]*+)(?:[%b]*+=[%b]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^%b>\"'][^%b>]*+)|(?=>|\Z)))?"
    % (_W, _W, _W, _W, _W, _W, _W)
)
_CDATA: Final = b"<![cdata["
_SECTIONS = re.compile(rb"<!\[cdata\[.*?\]\]>", re.DOTALL)
_MARKUP = re.compile(rb"<[a-z/!?]")
_TEXT_END = {name: re.compile(rb"</%b%b" % (name, _NAME_END)) for name in _TEXTS - {b"script", b"plaintext"}}
_SCRIPT_END = re.compile(rb"</script" + _NAME_END)
_IN_SCRIPT = re.compile(rb"<!--|-->|<(/?)script" + _NAME_END)
_TAIL: Final = 16
"""No mark inside of a text, as `</noframes>`, needs more bytes to be known."""


def doubt(why: str) -> Unreadable:
    return Unreadable(Posture.UNPARSABLE_BODY, why)


class HtmlScanner:
    """One document on its way; `most` bounds a tag, and a text that has to be seen whole.

    `tags` hold what the last `scan` met. `clean` tells whether the next byte would be plain content:
    not inside a tag, a comment, a script or foreign content.
    """

    def __init__(self, most: int, around: Nesting | None = None) -> None:
        self._most = most
        self._nesting = Nesting()
        if around is not None:
            self._nesting.tangled, self._nesting.in_select = around.tangled, around.in_select
        self._text = b""
        self._script = 0
        self._comment = False
        self.tags: list[Tag] = []
        self.clean = True

    @property
    def tangled(self) -> bool:
        """See Nesting."""
        return self._nesting.tangled

    def scan(self, text: bytes, *, last: bool) -> int:
        """How many bytes of the text are read; the others have to be given again with more behind them.

        Raises:
            Unreadable: OVER_SIZE for a tag over the limit, UNPARSABLE_BODY where two readings differ.
        """
        self.tags = []
        lower = text.lower()
        position = 0
        while position < len(text):
            step = self._step(text, lower, position, last=last)
            if step < 0:
                break
            position = step
        self.clean = not (self._text or self._comment or self._nesting.open) and position == len(text)
        if last:
            return len(text)
        if len(text) - position > self._most:
            raise Unreadable(Posture.OVER_SIZE, "a tag of the page is too long")
        return position

    def _step(self, text: bytes, lower: bytes, position: int, *, last: bool) -> int:
        """Where the next step begins; -1 where more has to come."""
        if self._comment:
            return self._in_comment(lower, position)
        if self._text == b"script":
            return self._in_script(lower, position)
        if self._text:
            return self._in_text(lower, position)
        passed = (_TEXT_ONLY if self._nesting.open or self._nesting.tangled else _PASSED).match(lower, position)
        assert passed is not None
        position = passed.end()
        if position == len(lower):
            return position
        return self._markup(text, lower, position, last=last)

    def _markup(self, text: bytes, lower: bytes, position: int, *, last: bool) -> int:
        """What begins at the `<` that stands here."""
        following = lower[position + 1 : position + 2]
        if following == b"!":
            return self._declaration(lower, position, last=last)
        if following == b"?":
            return _behind(lower, b">", position)
        if following == b"/":
            return self._end_tag(lower, position)
        found = _START.match(lower, position)
        return -1 if found is None else self._start_tag(text, lower, found, last=last)

    def _declaration(self, lower: bytes, position: int, *, last: bool) -> int:
        if lower.startswith(b"<!--", position):
            self._comment = True
            for start in (b">", b"->"):
                if lower.startswith(start, position + 4):
                    self._comment = False
                    return position + 4 + len(start)
            return position + 4 if len(lower) > position + 5 else self._give_back()
        if len(lower) < position + len(_CDATA) and _CDATA.startswith(lower[position:]):
            return -1
        if lower.startswith(_CDATA, position):
            if self._nesting.takes_cdata:
                return _behind(lower, b"]]>", position)
            if self._nesting.tangled:
                end = _behind(lower, b"]]>", position)
                if (end >= 0 or last) and _behind(lower, b">", position) != end:
                    raise doubt("a CDATA section stands where it may be a comment")
                return end
        if len(lower) < position + 4 and b"<!--".startswith(lower[position:]):
            return -1
        return _behind(lower, b">", position)

    def _give_back(self) -> int:
        self._comment = False
        return -1

    def _end_tag(self, lower: bytes, position: int) -> int:
        following = lower[position + 2 : position + 3]
        if not following:
            return -1
        if not following.isalpha():
            return _behind(lower, b">", position)
        found = _END.match(lower, position)
        if found is None:
            return -1
        self._nesting.end(found[1])
        if found[1] == b"body" and not self._nesting.open:
            self.tags.append(Tag(b"/body", position, found.end()))
        return found.end()

    def _start_tag(self, text: bytes, lower: bytes, found: "re.Match[bytes]", *, last: bool) -> int:
        name, end = found[1], found.end()
        is_text = name in _TEXTS and not self._nesting.foreign
        either = self._nesting.tangled or (self._nesting.in_select and name != b"script")
        ended: re.Match[bytes] | None = None
        if is_text and (either or name == b"noscript"):
            ended = _TEXT_END.get(name, _SCRIPT_END).search(lower, end)
            if ended is None and not last:
                return -1
        attributes = attributes_of(lower, found.start(2), found.end(2))
        self.tags.append(Tag(name, found.start(), end, attributes))
        closes_itself = lower[end - 2 : end - 1] == b"/" and not _ends_in_value(attributes, end - 2)
        self._nesting.start(name, frozenset(each.name for each in attributes), closes_itself=closes_itself)
        if not is_text:
            return end
        if either or name == b"noscript":
            behind = len(lower) if ended is None else ended.start()
            if name == b"noscript":
                self._check_noscript(text[end:behind], end, open_ended=ended is None)
            elif name == b"plaintext" or _MARKUP.search(_SECTIONS.sub(b"", lower[end:behind])):
                raise doubt("it depends on the tree around it whether this is text or markup")
            return behind
        self._text = name
        self._script = 0
        return end

    def _check_noscript(self, content: bytes, start: int, *, open_ended: bool) -> None:
        """Text to those who run scripts, content to the others: both have to end at the same place."""
        inner = HtmlScanner(self._most, self._nesting)
        inner.scan(content, last=True)
        if not (open_ended or inner.clean) or inner.tangled != self.tangled:
            raise doubt("what stands in a noscript element does not end with it")
        self.tags.extend(moved(tag, start) for tag in inner.tags if tag.name != b"/body")

    def _in_comment(self, lower: bytes, position: int) -> int:
        ends = [found for mark in (b"-->", b"--!>") if (found := _behind(lower, mark, position)) >= 0]
        if ends:
            self._comment = False
            return min(ends)
        return max(position, len(lower) - 3) if len(lower) - 3 > position else -1

    def _in_text(self, lower: bytes, position: int) -> int:
        pattern = _TEXT_END.get(self._text)
        if pattern is None:
            return len(lower)
        ended = pattern.search(lower, position)
        if ended is None:
            return len(lower) - _TAIL if len(lower) - _TAIL > position else -1
        return self._text_end(lower, position, ended.start())

    def _in_script(self, lower: bytes, start: int) -> int:
        """Script data and its two escaped states (13.2.5.15 to 13.2.5.31)."""
        position = start
        while (found := _IN_SCRIPT.search(lower, position)) is not None:
            mark = found[0]
            position = found.end()
            if mark == b"<!--":
                # The dashes that begin a comment can be those that end it.
                position -= 2
                self._script = self._script or 1
            elif mark == b"-->":
                self._script = 0
            elif mark == b"</script":
                if self._script < 2:
                    return self._text_end(lower, start, found.start())
                self._script = 1
            elif self._script == 1:
                self._script = 2
        behind = max(position, len(lower) - _TAIL)
        return behind if behind > start else -1

    def _text_end(self, lower: bytes, start: int, position: int) -> int:
        found = _END.match(lower, position)
        if found is None:
            return position if position > start else -1
        self._text = b""
        return found.end()


def moved(tag: Tag, by: int) -> Tag:
    """The same tag, counted from another place."""
    attributes = tuple(
        Attribute(
            each.name,
            each.start + by,
            each.value + by if each.value >= 0 else -1,
            each.end + by if each.value >= 0 else -1,
        )
        for each in tag.attributes
    )
    return Tag(tag.name, tag.start + by, tag.end + by, attributes)


def attributes_of(lower: bytes, start: int, end: int) -> tuple[Attribute, ...]:
    """The attributes between two places of a tag that is complete; one that stands twice is there twice."""
    found: list[Attribute] = []
    for each in _PARTS.finditer(lower, start, end):
        group = each.lastindex or 1
        value, stop = each.span(group) if group > 1 else (-1, -1)
        found.append(Attribute(each[1], each.start(1), value, stop))
    return tuple(found)


def _ends_in_value(attributes: tuple[Attribute, ...], slash: int) -> bool:
    """Whether the `/` in front of the `>` belongs to a value without quotes."""
    return bool(attributes) and attributes[-1].value <= slash < attributes[-1].end


def _behind(lower: bytes, mark: bytes, position: int) -> int:
    found = lower.find(mark, position)
    return -1 if found < 0 else found + len(mark)
