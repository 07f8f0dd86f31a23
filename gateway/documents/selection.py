"""Body addresses compiled to a deterministic automaton over names and positions.

A state is (field, step); a node is the closed set of states that hold at one value. Nodes are made
when a document first reaches them and kept, so `..` costs one dictionary look-up per value and the
work per message does not grow with the number of addresses.

>>> from gateway.documents.selection import automaton_for_reading
>>> from gateway.model.address import parse_address
>>> root = automaton_for_reading(parse_address("$..email")).root
>>> root.child("user").child("email").match
0
"""

from collections.abc import Sequence
from typing import Final

from gateway.documents.edit import FieldEdit, Operation, PartEdit, Remove, Retain
from gateway.model.address import Address, Child, Descend, Every, Index, Place

NOTHING: Final = 1 << 60
"""Stands where no field matches; greater than any order."""

_States = frozenset[tuple[int, int]]


class Node:
    """What the addresses say at one value.

    `match` is the first field (in order) that selects this value, `pending` the first that may still
    select something below. `names`, `other` and `elements` lead on; `retained` and `removed` are the
    names whose only fate that is, with their fields' places in the plan; `active` all others.
    """

    __slots__ = (
        "_automaton",
        "_indexed",
        "_ready",
        "_states",
        "active",
        "elements",
        "match",
        "names",
        "other",
        "pending",
        "removed",
        "retained",
        "retained_counts",
        "retained_names",
    )

    def __init__(self, automaton: "Automaton", states: _States) -> None:
        self._automaton = automaton
        self._states = states
        self._ready = False
        self._indexed: dict[int, _States] = {}
        finals = [field for field, step in states if step == len(automaton.steps[field])]
        onward = [field for field, step in states if step < len(automaton.steps[field])]
        self.match = min(finals, default=NOTHING)
        self.pending = min(onward, default=NOTHING)
        self.names: dict[str, Node] = {}
        self.retained: dict[str, int] = {}
        self.retained_names: frozenset[str] = frozenset()
        self.retained_counts: list[int] = []
        self.removed: dict[str, int] = {}
        self.active: dict[str, Node] = {}
        self.other: Node | None = None
        self.elements: Node | None = None

    def expand(self) -> None:
        """Work out where the steps lead from here; does nothing the second time."""
        if self._ready:
            return
        automaton = self._automaton
        anywhere: set[tuple[int, int]] = set()
        named: dict[str, set[tuple[int, int]]] = {}
        indexed: dict[int, set[tuple[int, int]]] = {}
        for field, position in self._states:
            if position == len(automaton.steps[field]):
                continue
            match automaton.steps[field][position]:
                case Descend():
                    anywhere.add((field, position))
                case Every():
                    anywhere.add((field, position + 1))
                case Child(name):
                    named.setdefault(name, set()).add((field, position + 1))
                case Index(index):
                    indexed.setdefault(index, set()).add((field, position + 1))
        self.other = self.elements = automaton.node(frozenset(anywhere))
        for name, states in named.items():
            child = automaton.node(frozenset(states | anywhere))
            assert child is not None
            self._lead(name, child)
        self.retained_names = frozenset(self.retained)
        self.retained_counts = [0] * automaton.size
        for index in self.retained.values():
            self.retained_counts[index] += 1
        self._indexed = {index: frozenset(states) for index, states in indexed.items()}
        self._ready = True

    def _lead(self, name: str, child: "Node") -> None:
        self.names[name] = child
        decided = child.match < child.pending
        operation = self._automaton.operations[child.match] if decided else None
        if isinstance(operation, Retain):
            self.retained[name] = self._automaton.indexes[child.match]
        elif isinstance(operation, Remove):
            self.removed[name] = self._automaton.indexes[child.match]
        else:
            self.active[name] = child

    def child(self, name: str) -> "Node | None":
        """The node at the member `name` of an object, None where no address leads."""
        self.expand()
        return self.names.get(name, self.other)

    @property
    def tells_elements_apart(self) -> bool:
        """Whether an address selects single elements by their index here."""
        self.expand()
        return bool(self._indexed)

    def element(self, index: int, length: int) -> "Node | None":
        """The node at element `index` of an array of `length` elements (RFC 9535 section 2.3.3)."""
        self.expand()
        if not self._indexed:
            return self.elements
        chosen = self._indexed.get(index, frozenset()) | self._indexed.get(index - length, frozenset())
        if not chosen:
            return self.elements
        everywhere = self.elements._states if self.elements is not None else frozenset()  # noqa: SLF001 - same class
        return self._automaton.node(chosen | everywhere)


class Automaton:
    """Addresses with their operations and places in a plan of `size` fields.

    With `nested`, a match does not hide later matches inside it.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        operations: Sequence[Operation],
        indexes: Sequence[int],
        size: int,
        *,
        nested: bool = False,
    ) -> None:
        self.steps = [address.steps for address in addresses]
        self.operations = operations
        self.indexes = indexes
        self.size = size
        self._nested = nested
        self._nodes: dict[_States, Node] = {}
        self.root = self.node(frozenset((field, 0) for field in range(len(addresses)))) or Node(self, frozenset())

    def node(self, states: _States) -> Node | None:
        """The node for these states after closing them over `..`; None for no states."""
        closed = self._close(states)
        if not closed:
            return None
        known = self._nodes.get(closed)
        if known is None:
            known = self._nodes[closed] = Node(self, closed)
        return known

    def _close(self, states: _States) -> _States:
        closed = set(states)
        for field, position in states:
            at = position
            while at < len(self.steps[field]) and isinstance(self.steps[field][at], Descend):
                at += 1
                closed.add((field, at))
        if self._nested:
            return frozenset(closed)
        # What comes later in order than a match here can never win below it.
        first = min((field for field, at in closed if at == len(self.steps[field])), default=NOTHING)
        return frozenset(
            state for state in closed if state[0] < first or (state[0] == first and state[1] == len(self.steps[first]))
        )


_MOST_KEPT = 4096
_reads: dict[str, Automaton] = {}
_shared: dict[tuple[tuple[FieldEdit, ...], int], Automaton] = {}


def automaton_of(edit: PartEdit) -> Automaton:
    """The automaton for the body addresses of `edit`, compiled once per PartEdit object."""
    for known in edit.compiled:
        if isinstance(known, Automaton):
            return known
    fields = tuple(field for field in edit.fields if field.address.place is Place.BODY)
    # Many routes say the same: they share what is made of it, which then stays in the processor's cache.
    automaton = _shared.get((fields, edit.size))
    if automaton is None:
        automaton = Automaton(
            [field.address for field in fields],
            [field.operation for field in fields],
            [field.index for field in fields],
            edit.size,
        )
        if len(_shared) < _MOST_KEPT:
            _shared[fields, edit.size] = automaton
    edit.compiled.append(automaton)
    return automaton


def automaton_for_reading(address: Address) -> Automaton:
    """The automaton that finds every match of one body address, also those inside other matches."""
    known = _reads.get(address.text)
    if known is None:
        if len(_reads) >= _MOST_KEPT:
            _reads.clear()
        known = _reads[address.text] = Automaton([address], [Retain()], [0], 1, nested=True)
    return known
