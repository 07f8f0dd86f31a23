"""A JSON text with an array of items, each about a person of its own and edited as that person's.

What is around the array is edited as a document of its own, in which the array stands empty; the array
itself stays. What is between the items stays as it is, also where items change; an item that goes takes
the white space in front of it along.
"""

from collections.abc import Sequence

import msgspec

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.item_array import ItemArray, item_array_at
from gateway.documents.item_edit import ItemRewrite
from gateway.documents.item_scan import array_start, gaps
from gateway.documents.json_body import JsonDocument, open_json
from gateway.documents.json_rewrite import collect, decode_elements, decode_members, refuse_duplicates
from gateway.documents.json_scalar import scalar_text
from gateway.documents.json_text import Text, is_distinct
from gateway.documents.media import Media
from gateway.documents.selection import automaton_for_reading
from gateway.model.address import Address, Child
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

NOBODY = -1
"""Owner of an item that names nobody."""


class PeopleList:
    """The document of a body that lists people; make it with `open_people_list`.

    `identifiers` has one for each item: the text that names its person, None where there is none. After
    `edit`, `outcomes` are those of the items of each owner that was given, without their content.
    """

    media = Media.JSON

    def __init__(
        self, document: JsonDocument, body: bytes, span: tuple[int, int], elements: list[msgspec.Raw], limits: Limits
    ) -> None:
        self._document = document
        self._body = body
        self._start, self._end = span
        self._elements = elements
        self._limits = limits
        self._collapse = document.collapses_duplicates
        self._path: tuple[str, ...] = ()
        self._places: dict[int, list[int]] = {NOBODY: list(range(len(elements)))}
        self._edits: Sequence[PartEdit] = ()
        self.identifiers: list[str | None] = []
        self.outcomes: list[Edited] = []

    def identify(self, path: tuple[str, ...], field: Address) -> None:
        """Read who the items are about. Raises Unreadable: DUPLICATE_KEY, unless duplicates are collapsed."""
        self._path = path
        names = [step.name for step in field.steps if isinstance(step, Child)]
        if len(names) == len(field.steps):
            self.identifiers = [self._named(element, names) for element in self._elements]
            return
        root = automaton_for_reading(field).root
        for element in self._elements:
            found = collect(element, root, collapse_duplicates=self._collapse)
            self.identifiers.append(found[0] if len(found) == 1 else None)

    def _named(self, element: Text, names: Sequence[str]) -> str | None:
        """The text of the scalar to which these names lead."""
        text = bytes(element)
        for name in names:
            if text[0] != 0x7B:
                return None
            members = decode_members(text)
            if not self._collapse and not is_distinct(text, members):
                raise refuse_duplicates()
            member = members.get(name)
            if member is None:
                return None
            text = bytes(member)
        return scalar_text(text)

    def assign(self, owners: Sequence[int], edits: Sequence[PartEdit]) -> None:
        """Say, for each item, which of `edits` is done to it; NOBODY's get the edit of the whole document."""
        self._edits = edits
        self._places = {}
        for place, owner in enumerate(owners):
            self._places.setdefault(owner, []).append(place)

    def read(self, address: Address) -> list[str]:
        """See JsonDocument."""
        return self._document.read(address)

    def edit(self, edit: PartEdit) -> Edited:
        """The edit of what is around the items and of nobody's, with the counts of those; and theirs of all others.

        Raises:
            Unreadable: DUPLICATE_KEY, as JsonDocument; also where duplicates are collapsed, if the array's
                own name stands twice.
        """
        new: list[Text | None] = list(self._elements)
        self.outcomes = [self._edit_items(each, owner, new) for owner, each in enumerate(self._edits)]
        nobodys = self._edit_items(edit, NOBODY, new)
        around = self._edit_around(_array_of(edit, self._path), edit.size)
        changed = any(before is not after for before, after in zip(self._elements, new, strict=True))
        if around is None and not changed:
            return Edited(self._body, nobodys.counts, nobodys.unlisted)
        items = self._joined(new) if changed else self._body[self._start : self._end]
        if around is None:
            content = self._body[: self._start] + items + self._body[self._end :]
            return Edited(content, nobodys.counts, nobodys.unlisted)
        counts = tuple(some + more for some, more in zip(nobodys.counts, around.counts, strict=False))
        unlisted = nobodys.unlisted + around.unlisted
        start = array_start(around.content, self._path, self._limits)
        if start < 0 or not around.content.startswith(b"]", start):
            raise refuse_duplicates()
        content = around.content[:start] + items + around.content[start:]
        return Edited(self._body if content == self._body else content, counts, unlisted)

    def _edit_items(self, edit: PartEdit, owner: int, new: list[Text | None]) -> Edited:
        places = self._places.get(owner, ())
        if not places:
            return Edited(b"", (0,) * edit.size)
        rewrite = ItemRewrite(_array_of(edit, self._path).items, collapse_duplicates=self._collapse)
        elements = self._elements
        for place, text in zip(places, rewrite.elements([elements[place] for place in places]), strict=True):
            new[place] = text
        return Edited(b"", tuple(rewrite.counts), rewrite.unlisted)

    def _edit_around(self, array: ItemArray, size: int) -> Edited | None:
        """What is around the items, edited; None where there is nothing but the array."""
        if not self._path:
            return None
        text = self._body[: self._start] + self._body[self._end :]
        edited = open_json(text, self._limits, collapse_duplicates=self._collapse).edit(array.envelope)
        return Edited(edited.content, edited.counts[:size], edited.unlisted)

    def _joined(self, new: list[Text | None]) -> bytes:
        content = self._body[self._start : self._end]
        elements = self._elements
        if sum(map(len, elements)) + len(elements) - 1 == len(content):
            return b",".join([text for text in new if text is not None])
        in_front = gaps(content, elements)
        behind = content[sum(map(len, elements)) + sum(map(len, in_front)) :]
        kept = [(gap, text) for gap, text in zip(in_front, new, strict=True) if text is not None]
        if kept and kept[0][0] is not in_front[0]:
            # The comma belongs to an item that went.
            kept[0] = (kept[0][0].replace(b",", b""), kept[0][1])
        return b"".join([piece for pair in kept for piece in pair]) + behind


def open_people_list(
    document: JsonDocument, body: bytes, path: tuple[str, ...], field: Address, limits: Limits
) -> PeopleList | None:
    """The list at `path` of a document that was opened from `body`; None where nothing is listed.

    Raises:
        Unreadable: DUPLICATE_KEY where the array, or on the way to an identifier a name, stands twice;
            UNPARSABLE_BODY where an object stands in its place, whose members `[*]` selects too (RFC 9535
            section 2.3.2.2); OVER_SIZE where more people are listed than the limit allows.
    """
    array = _array_text(body, path)
    if array is None:
        return None
    start = array_start(body, path, limits)
    if start < 0 or not body.startswith(array, start - 1):
        raise refuse_duplicates()
    found = PeopleList(document, body, (start, start + len(array) - 2), decode_elements(array), limits)
    found.identify(path, field)
    if len(set(found.identifiers)) > limits.people_listed:
        raise Unreadable(Posture.OVER_SIZE, "the message lists more people than the limit allows")
    return found


def _array_text(body: bytes, path: tuple[str, ...]) -> bytes | None:
    text = body.strip(b" \t\n\r")
    for name in path:
        member = decode_members(text).get(name) if text[:1] == b"{" else None
        if member is None:
            return None
        text = bytes(member)
    if text[:1] == b"{" and decode_members(text):
        raise Unreadable(Posture.UNPARSABLE_BODY, "where people are listed stands an object in place of an array")
    return text if text[:1] == b"[" else None


def _array_of(edit: PartEdit, path: tuple[str, ...]) -> ItemArray:
    array = item_array_at(edit, path)
    assert array is not None  # the rules were checked for what cannot be decided item by item
    return array
