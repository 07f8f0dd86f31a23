"""Multipart forms held whole: `part:NAME` (or `form:NAME`) addresses every part of that name."""

from collections.abc import Iterator

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.form_body import FORM_PLACES
from gateway.documents.media import Media
from gateway.documents.multipart_head import PartHead, boundary_of
from gateway.documents.multipart_scan import Event, Mark, PartScanner
from gateway.documents.multipart_stream import PartEditor
from gateway.model.address import Address
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs
from gateway.model.words import Posture, Rest

_SLICE = 64 * 1024


class MultipartDocument:
    """One opened form; make it with `open_multipart`."""

    __slots__ = ("_body", "_boundary", "_events", "_limits", "_scanner")

    media = Media.MULTIPART

    def __init__(self, body: bytes, boundary: bytes, limits: Limits) -> None:
        self._body = body
        self._boundary = boundary
        self._limits = limits
        self._scanner = PartScanner(boundary, limits)
        self._events: list[Event] = []
        # In slices, since the scanner copies what it has not used up yet.
        for start in range(0, len(body), _SLICE):
            self._events += self._scanner.feed(body[start : start + _SLICE])
        self._scanner.finish()

    def read(self, address: Address) -> list[str]:
        """The content of every part that the address names.

        Raises:
            Unreadable: UNDECODABLE_CHARSET where such a part is not UTF-8 text.
        """
        if address.place not in FORM_PLACES:
            return []
        found: list[bytearray] = []
        wanted = False
        for event in self._events:
            if isinstance(event, PartHead):
                wanted = event.name == address.name
                if wanted:
                    found.append(bytearray())
            elif wanted and not isinstance(event, Mark):
                found[-1] += event
        try:
            return [content.decode("utf-8") for content in found]
        except UnicodeDecodeError:
            raise Unreadable(Posture.UNDECODABLE_CHARSET, "a part that a rule reads is not UTF-8") from None

    def all(self, most: int) -> Iterator[tuple[str, str]]:
        """Every part's name with its file's name, if it has one, and with its first `most` bytes. For looking only."""
        name = ""
        held = b""
        for event in self._events:
            if isinstance(event, PartHead):
                name, held = event.name, b""
                yield name, event.file_name_text() or ""
            elif event is Mark.PART_END:
                yield name, held.decode("utf-8", "replace")
            elif isinstance(event, bytes) and len(held) < most:
                held += event[: most - len(held)]

    def edit(self, edit: PartEdit) -> Edited:
        """Carry out the edit on every part (see multipart_stream).

        Raises:
            Unreadable: UNDECODABLE_CHARSET or OVER_SIZE for a part that is replaced.
        """
        editor = PartEditor(self._boundary, edit, self._limits)
        content = b"".join([self._scanner.opening, *editor.rewrite(self._events), self._scanner.ending])
        unlisted = 0 if edit.rest is Rest.PASS else editor.unlisted
        return Edited(self._body if content == self._body else content, tuple(editor.counts), unlisted)


def open_multipart(headers: HeaderPairs, body: bytes, limits: Limits) -> MultipartDocument:
    """Open a form whose Content-Type names the boundary.

    Raises:
        Unreadable: UNPARSABLE_BODY for anything but the strict form, UNDECODABLE_CHARSET for parts
            that are labelled with another charset than UTF-8, OVER_SIZE over the multipart limits.
    """
    return MultipartDocument(body, boundary_of(headers), limits)
