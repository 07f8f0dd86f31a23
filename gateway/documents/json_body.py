"""JSON bodies (RFC 8259): values are touched where an address says so, all other bytes stay.

Opening checks the whole text, whether or not a rule reads a part of it; editing decodes only along
the addresses. Numbers keep their digits, strings their escapes, and a document in which nothing
changes is the very object that came in.

An address that selects an object or array covers all below it. Values that no address reaches count
as unlisted one by one, a whole subtree of them as one. Under `rest: drop` a container stays if it
holds a listed value, even where that value is itself taken out; an empty container is unlisted.
"""

import msgspec

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.json_flat import Fate, flat_edit_of
from gateway.documents.json_limits import check_json_limits
from gateway.documents.json_rewrite import (
    Branch,
    Rewrite,
    collect,
    decode_elements,
    decode_members,
    refuse_duplicates,
)
from gateway.documents.json_text import WHITESPACE, is_distinct, object_without
from gateway.documents.media import Media
from gateway.documents.selection import automaton_for_reading, automaton_of
from gateway.model.address import Address, Place
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

_SCALAR = msgspec.json.Decoder(msgspec.Raw)


class JsonDocument:
    """One opened JSON text; make it with `open_json`."""

    __slots__ = ("_body", "_branch", "_collapse", "_text")

    media = Media.JSON

    def __init__(
        self,
        body: bytes,
        text: bytes,
        branch: Branch,
        collapse_duplicates: bool,
    ) -> None:
        self._body = body
        self._text = text
        self._branch = branch
        self._collapse = collapse_duplicates

    def read(self, address: Address) -> list[str]:
        """Text of every scalar that the address selects: numbers as written, null not at all.

        Raises:
            Unreadable: DUPLICATE_KEY in an object on the way, unless duplicates are collapsed.
        """
        if address.place is not Place.BODY:
            return []
        root = automaton_for_reading(address).root
        return collect(self._text, root, collapse_duplicates=self._collapse)

    def edit(self, edit: PartEdit) -> Edited:
        """Carry out the edit.

        Raises:
            Unreadable: DUPLICATE_KEY in an object that had to be decoded, unless duplicates are
                collapsed: then what comes out holds only the value that the edit saw.
        """
        text = self._text
        automaton = automaton_of(edit)
        branch = self._branch
        if isinstance(branch, dict):
            flat = flat_edit_of(automaton, edit)
            if flat is not None:
                return self._edit_flat(branch, flat.fate(tuple(branch)))
        rewrite = Rewrite(automaton, edit, self._collapse)
        new = rewrite.root(text, branch)
        content = self._body if new is text else self._around(new)
        return Edited(content, tuple(rewrite.counts), rewrite.unlisted)

    def _edit_flat(self, members: dict[str, msgspec.Raw], fate: Fate) -> Edited:
        distinct = fate.frames(self._text, members) or is_distinct(self._text, members)
        if not distinct and not self._collapse:
            raise refuse_duplicates()
        if not fate.stays:
            content = self._around(b"{}")
        elif fate.gone:
            content = self._around(object_without(members, fate.gone))
        else:
            content = self._body if distinct else self._around(object_without(members, ()))
        return Edited(content, fate.counts, fate.unlisted)

    @property
    def collapses_duplicates(self) -> bool:
        return self._collapse

    @property
    def elements(self) -> list[msgspec.Raw]:
        """What a root that is an array holds, as it stands there; nothing for any other root."""
        return self._branch if isinstance(self._branch, list) else []

    def _around(self, new: bytes) -> bytes:
        if len(self._text) == len(self._body):
            return new
        before, _, after = self._body.partition(self._text)
        return before + new + after


def open_json(body: bytes, limits: Limits, *, collapse_duplicates: bool = False) -> JsonDocument:
    """Open a JSON text after checking all of it.

    Raises:
        Unreadable: UNDECODABLE_CHARSET for anything but UTF-8, UNPARSABLE_BODY for what RFC 8259 does
            not allow (also a byte order mark, lone surrogates, NaN, trailing bytes), TOO_DEEP and
            OVER_SIZE for what exceeds `limits`.
    """
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable(Posture.UNDECODABLE_CHARSET, "the JSON text is not UTF-8") from None
    text = body.strip(WHITESPACE)
    branch: Branch = None
    try:
        if text[:1] == b"{":
            branch = decode_members(text)
        elif text[:1] == b"[":
            branch = decode_elements(text)
        else:
            _SCALAR.decode(text)
    except RecursionError:
        raise Unreadable(Posture.TOO_DEEP, "the document is nested too deeply") from None
    except ValueError:
        if b"\x00" in body[:4]:
            raise Unreadable(Posture.UNDECODABLE_CHARSET, "the JSON text is not UTF-8") from None
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not well-formed JSON") from None
    check_json_limits(text, limits)
    return JsonDocument(body, text, branch, collapse_duplicates)
