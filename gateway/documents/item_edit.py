"""The items of one array edited: each by itself, all with the same plan."""

import copy

import msgspec

from gateway.documents.edit import PartEdit
from gateway.documents.json_flat import Fate, FlatEdit, flat_edit_of
from gateway.documents.json_rewrite import Rewrite, decode_members, refuse_duplicates
from gateway.documents.json_text import Text, is_distinct, object_without
from gateway.documents.selection import Automaton, Node


class ItemEdit:
    """What is to be done to every item; made once for each PartEdit. `items` is the node that all items stand at."""

    def __init__(self, automaton: Automaton, items: Node | None, edit: PartEdit) -> None:
        # As a document of its own, whose root is the item.
        self.automaton = copy.copy(automaton)
        self.automaton.root = items or Node(automaton, frozenset())
        self.edit = PartEdit(edit.fields, edit.rest, edit.size)
        self.flat: FlatEdit | None = flat_edit_of(self.automaton, self.edit)


class ItemRewrite:
    """One run over some items; `counts` and `unlisted` are its outcome beside the new texts."""

    def __init__(self, item_edit: ItemEdit, *, collapse_duplicates: bool) -> None:
        self._flat = item_edit.flat
        self._root = item_edit.automaton.root
        self._collapse = collapse_duplicates
        self._rewrite = Rewrite(item_edit.automaton, item_edit.edit, collapse_duplicates)
        self._counts = [0] * item_edit.edit.size
        self._unlisted = 0

    @property
    def counts(self) -> list[int]:
        return [some + more for some, more in zip(self._counts, self._rewrite.counts, strict=True)]

    @property
    def unlisted(self) -> int:
        return self._unlisted + self._rewrite.unlisted

    def elements(self, elements: list[msgspec.Raw]) -> list[Text | None]:
        """The new text of each item, the item itself where nothing changes, None where it goes.

        Raises:
            Unreadable: DUPLICATE_KEY, unless duplicates are collapsed.
        """
        if self._flat is None:
            return self._rewrite.elements(elements, self._root)
        new: list[Text | None] = []
        last: Fate | None = None
        times = 0
        for raw in elements:
            text = bytes(raw)
            members = decode_members(text) if text[0] == 0x7B else None
            if not members:
                new += self._rewrite.elements([raw], self._root)
                continue
            fate = self._flat.fate(tuple(members))
            if fate is not last:
                self._tally(last, times)
                last, times = fate, 0
            times += 1
            new.append(self._fated(raw, text, members, fate))
        self._tally(last, times)
        return new

    def _fated(self, raw: Text, text: bytes, members: dict[str, msgspec.Raw], fate: Fate) -> Text | None:
        distinct = is_distinct(text, members)
        if not distinct and not self._collapse:
            raise refuse_duplicates()
        if not fate.stays:
            return None
        return raw if distinct and not fate.gone else object_without(members, fate.gone)

    def _tally(self, fate: Fate | None, times: int) -> None:
        if fate is None:
            return
        self._unlisted += times * fate.unlisted
        for index, count in enumerate(fate.counts):
            self._counts[index] += times * count
