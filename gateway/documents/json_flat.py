"""Edits in which the names of the root object's members decide everything.

Where each address is one name at the root and each operation keeps or removes what it finds, two
objects with the same names meet the same fate. It is worked out once, by the same code that edits any
other document, and kept by those names.
"""

from collections.abc import Mapping

import msgspec

from gateway.documents.edit import PartEdit
from gateway.documents.json_rewrite import Rewrite
from gateway.documents.selection import NOTHING, Automaton

_FATES_AT_MOST = 256
_ANY_VALUE = msgspec.Raw(b"0")


class Fate(msgspec.Struct, frozen=True, gc=False):
    """What becomes of an object: `gone` are the names of the members that go; if not `stays`, all of it does.

    `frame` is such an object written with a space behind each colon and comma, as most encoders do, with
    an empty place for each value.
    """

    gone: tuple[str, ...]
    counts: tuple[int, ...]
    unlisted: int
    stays: bool
    frame: list[bytes]

    def frames(self, text: bytes, members: Mapping[str, msgspec.Raw]) -> bool:
        """Whether `text` is the frame around the members' values, which are then all that it holds."""
        written: list[bytes | msgspec.Raw] = [*self.frame]
        written[1::2] = members.values()
        return b"".join(written) == text


class FlatEdit:
    """The fates that one edit has in store, by names of members in their order. Bounded: senders choose the names."""

    def __init__(self, automaton: Automaton, edit: PartEdit) -> None:
        self._automaton = automaton
        self._edit = edit
        self._fates: dict[tuple[str, ...], Fate] = {}

    def fate(self, names: tuple[str, ...]) -> Fate:
        """What becomes of an object with these members."""
        known = self._fates.get(names)
        if known is None:
            if len(self._fates) >= _FATES_AT_MOST:
                self._fates.clear()
            known = self._fates[names] = self._worked_out(names)
        return known

    def _worked_out(self, names: tuple[str, ...]) -> Fate:
        rewrite = Rewrite(self._automaton, self._edit, collapse_duplicates=False)
        gone = rewrite.gone_of(dict.fromkeys(names, _ANY_VALUE))
        stays = gone is not None
        return Fate(gone or (), tuple(rewrite.counts), rewrite.unlisted, stays, _frame(names))


def _frame(names: tuple[str, ...]) -> list[bytes]:
    frame = [b"{"]
    for name in names:
        frame[-1] += b"%b: " % msgspec.json.encode(name)
        frame += (b"", b", ")
    frame[-1] = b"}" if names else b"{}"
    return frame


def flat_edit_of(automaton: Automaton, edit: PartEdit) -> FlatEdit | None:
    """The flat edit, made once per PartEdit; None where values, or what is below them, have a say."""
    for known in edit.compiled:
        if isinstance(known, FlatEdit):
            return known
        if known is FlatEdit:
            return None
    root = automaton.root
    root.expand()
    named = root.match == NOTHING and root.pending != NOTHING and root.other is None
    flat = named and not root.active
    made = FlatEdit(automaton, edit) if flat else None
    edit.compiled.append(made or FlatEdit)
    return made
