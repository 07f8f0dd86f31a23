"""One run of an edit over one JSON document: decode along the addresses, touch only what they say."""

from typing import TypeAlias

import msgspec

from gateway.documents.edit import Empty, PartEdit, Remove, Replace, Retain
from gateway.documents.json_scalar import emptied, replaced, scalar_text
from gateway.documents.json_text import Text, array_changed, is_distinct, object_changed
from gateway.documents.selection import NOTHING, Automaton, Node
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_PASS = Rest.PASS
_DROP = Rest.DROP
decode_members = _OBJECT.decode
decode_elements = _ARRAY.decode

Branch: TypeAlias = "dict[str, msgspec.Raw] | list[msgspec.Raw] | None"
"""A container decoded by one level; None for a scalar."""


def refuse_duplicates() -> Unreadable:
    """An object that a rule reads has a name twice."""
    return Unreadable(Posture.DUPLICATE_KEY, "an object that a rule reads has a name twice")


class Rewrite:
    """Carries out `edit`; `counts` and `unlisted` are its outcome beside the new text."""

    __slots__ = ("_automaton", "_collapse", "_drops", "_met", "_passes", "counts", "unlisted")

    def __init__(self, automaton: Automaton, edit: PartEdit, collapse_duplicates: bool) -> None:
        self._automaton = automaton
        self._passes = edit.rest is _PASS
        self._drops = edit.rest is _DROP
        self._collapse = collapse_duplicates
        self._met = 0
        self.counts = [0] * edit.size
        self.unlisted = 0

    def root(self, text: bytes, branch: Branch) -> bytes:
        """The whole document rewritten; `branch` is the root as already decoded, None for a scalar.

        A root that has to go leaves `{}`, `[]` or `null`, so that what is sent stays a JSON text. An
        empty root holds nothing that could be unlisted.
        """
        root = self._automaton.root
        if branch is not None and not branch and root.match == NOTHING:
            return text
        new = self._value(text, root, NOTHING, branch)
        if new is None:
            return {0x7B: b"{}", 0x5B: b"[]"}.get(text[0], b"null")
        return bytes(new)

    def gone_of(self, members: dict[str, msgspec.Raw]) -> tuple[str, ...] | None:
        """Names of the root's members that go, where only names have a say; None where the root goes itself."""
        changes: dict[str, Text | None] = {}
        stays = not members or self._members(members, self._automaton.root, NOTHING, changes)
        return tuple(changes) if stays else None

    def elements(self, elements: "list[msgspec.Raw]", node: Node | None) -> "list[Text | None]":
        """Elements that stand at `node`, each rewritten as in its array; None where it goes."""
        return [self._value(raw, node, NOTHING) for raw in elements]

    def _value(
        self,
        raw: Text,
        node: Node | None,
        cover: int,
        branch: Branch = None,
    ) -> Text | None:
        """The new text of one value, `raw` itself where nothing changes, None where it goes.

        `cover` is the field that already covers the value through one of its containers.
        """
        if node is None:
            return self._whole(raw, cover)
        if node.match < cover:
            cover = node.match
            self.counts[self._automaton.indexes[cover]] += 1
            self._met += 1
        if cover <= node.pending:
            return self._whole(raw, cover)
        text = bytes(raw)
        if text[0] == 0x7B:
            members = branch if isinstance(branch, dict) else decode_members(text)
            new = self._object(text, members, node, cover)
        elif text[0] == 0x5B:
            elements = branch if isinstance(branch, list) else decode_elements(text)
            new = self._array(text, elements, node, cover)
        else:
            return self._whole(raw, cover)
        return raw if new is text else new

    def _whole(self, raw: Text, cover: int) -> Text | None:
        """A value below which no address decides any more."""
        if cover == NOTHING:
            if self._passes:
                return raw
            self.unlisted += 1
            return None if self._drops else raw
        new: bytes
        match self._automaton.operations[cover]:
            case Retain():
                return raw
            case Remove():
                return None
            case Empty():
                text = bytes(raw)
                new = emptied(text)
            case Replace(transform):
                text = bytes(raw)
                new = replaced(text, transform)
        return raw if new == text else new

    def _object(self, text: bytes, members: dict[str, msgspec.Raw], node: Node, cover: int) -> bytes | None:
        distinct = is_distinct(text, members)
        if not distinct and not self._collapse:
            raise refuse_duplicates()
        changes: dict[str, Text | None] = {}
        if not self._members(members, node, cover, changes):
            return None
        if not changes and distinct:
            return text
        return object_changed(members, changes)

    def _members(
        self, members: dict[str, msgspec.Raw], node: Node, cover: int, changes: "dict[str, Text | None]"
    ) -> bool:
        """Note in `changes` what becomes of each member; whether the object stays."""
        met = self._met
        node.expand()
        if cover == NOTHING and node.other is None:
            self._listed_members(members, node, changes)
        else:
            for name, raw in members.items():
                new = self._value(raw, node.names.get(name, node.other), cover)
                if new is not raw:
                    changes[name] = new
        if cover == NOTHING and self._passes:
            return True
        gone = len(changes) == len(members) and not any(changes.values())
        return not self._leaves_nothing(cover, met, empty=not members, gone=gone)

    def _listed_members(self, members: dict[str, msgspec.Raw], node: Node, changes: "dict[str, Text | None]") -> None:
        """Visit only the members that an address names; the others share one fate."""
        if node.retained:
            self._count_retained(members, node)
        for name, index in node.removed.items():
            if name in members:
                self.counts[index] += 1
                self._met += 1
                changes[name] = None
        for name, child in node.active.items():
            raw = members.get(name)
            if raw is not None:
                new = self._value(raw, child, NOTHING)
                if new is not raw:
                    changes[name] = new
        if not self._passes:
            unlisted = members.keys() - node.names.keys()
            self.unlisted += len(unlisted)
            if self._drops:
                changes.update(dict.fromkeys(unlisted))

    def _count_retained(self, members: dict[str, msgspec.Raw], node: Node) -> None:
        missing = node.retained_names.difference(members)
        if not self._met and not missing:
            self.counts = node.retained_counts.copy()
            self._met = len(node.retained)
            return
        for name, index in node.retained.items():
            if name not in missing:
                self.counts[index] += 1
                self._met += 1

    def _array(self, text: bytes, elements: list[msgspec.Raw], node: Node, cover: int) -> bytes | None:
        met = self._met
        length = len(elements)
        new = [self._value(raw, node.element(index, length), cover) for index, raw in enumerate(elements)]
        gone = bool(elements) and all(raw is None for raw in new)
        if self._leaves_nothing(cover, met, empty=not elements, gone=gone):
            return None
        if all(before is after for before, after in zip(elements, new, strict=True)):
            return text
        return array_changed(new)

    def _leaves_nothing(self, cover: int, met: int, *, empty: bool, gone: bool) -> bool:
        """Whether a container goes as well: it holds no covered leaf, or its removal is ordered."""
        if cover != NOTHING:
            return (empty or gone) and isinstance(self._automaton.operations[cover], Remove)
        if self._passes or self._met > met:
            return False
        self.unlisted += empty
        return self._drops


def collect(raw: Text, node: Node | None, *, collapse_duplicates: bool) -> list[str]:
    """The text of every scalar that the addresses behind `node` select, in document order.

    Raises:
        Unreadable: DUPLICATE_KEY in an object on the way, unless duplicates are collapsed.
    """
    if node is None:
        return []
    text = bytes(raw)
    found = []
    if node.match != NOTHING:
        scalar = scalar_text(text)
        if scalar is not None:
            found.append(scalar)
    if node.pending == NOTHING:
        return found
    if text[0] == 0x7B:
        members = decode_members(text)
        if not collapse_duplicates and not is_distinct(text, members):
            raise refuse_duplicates()
        for name, member in members.items():
            found += collect(member, node.child(name), collapse_duplicates=collapse_duplicates)
    elif text[0] == 0x5B:
        elements = decode_elements(text)
        for index, element in enumerate(elements):
            found += collect(element, node.element(index, len(elements)), collapse_duplicates=collapse_duplicates)
    return found
