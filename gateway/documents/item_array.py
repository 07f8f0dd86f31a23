"""Which array of a JSON document can be edited item by item, seen from the addresses of the rules.

It is the one whose elements the addresses name (`$.items[*].email`), the root where they name none.
An address may reach into every item, or stay outside of the array; what selects single items, or the
array as a whole, has to see all of it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.documents.edit import FieldEdit, PartEdit, Retain
from gateway.documents.item_edit import ItemEdit
from gateway.documents.selection import NOTHING, Automaton, Node, automaton_of
from gateway.model.address import Address, Child, Every, Place


class ItemArray:
    """`path` leads to the array, `items` is what is done to each of its elements.

    `envelope` edits the document around the array, which itself stays; it has one field more than the
    edit it was made of. `skeleton` is the document with nothing but the array, up to its `[`.
    """

    def __init__(self, path: tuple[str, ...], items: ItemEdit, edit: PartEdit) -> None:
        self.path = path
        self.items = items
        self.skeleton = b"".join(b"{%b:" % msgspec.json.encode(name) for name in path) + b"["
        address = Address(Place.BODY, "$", steps=tuple(map(Child, path)))
        kept = FieldEdit(edit.size, address, Retain())
        self.envelope = PartEdit((kept, *edit.fields), edit.rest, edit.size + 1)


def item_array_of(edit: PartEdit) -> ItemArray | None:
    """The array that the edit allows to flow, worked out once per PartEdit object; None where there is none."""
    for known in edit.compiled:
        if isinstance(known, ItemArray):
            return known
    path = path_of([field.address for field in edit.fields if field.address.place is Place.BODY])
    return None if path is None else item_array_at(edit, path)


def item_array_at(edit: PartEdit, path: tuple[str, ...]) -> ItemArray | None:
    """The array at `path`, if the edit can be done item by item there; worked out once per PartEdit object."""
    for known in edit.compiled:
        if isinstance(known, ItemArray) and known.path == path:
            return known
    node = _array_node(automaton_of(edit), path)
    if node is None:
        return None
    node.expand()
    found = ItemArray(path, ItemEdit(automaton_of(edit), node.elements, edit), edit)
    edit.compiled.append(found)
    return found


def path_of(addresses: Iterable[Address]) -> tuple[str, ...] | None:
    """Names that lead from the root to the array; None where the addresses name the elements of several."""
    paths = {path for address in addresses if (path := array_named(address)) is not None}
    return None if len(paths) > 1 else paths.pop() if paths else ()


def needs_whole(address: Address, path: Sequence[str]) -> bool:
    """Whether the address selects the array at `path` itself, what holds it, or single elements of it."""
    return _array_node(Automaton([address], [Retain()], [0], 1), path) is None


def reaches_items(address: Address, path: Sequence[str]) -> bool:
    """Whether the address selects something in elements of the array at `path`, or whole elements."""
    node = _array_node(Automaton([address], [Retain()], [0], 1), path)
    if node is None:
        return False
    node.expand()
    return node.elements is not None


def array_named(address: Address) -> tuple[str, ...] | None:
    """Names that lead to the array of which the address selects the elements first, None where it selects none."""
    names = []
    for step in address.steps:
        if isinstance(step, Child):
            names.append(step.name)
        else:
            return tuple(names) if isinstance(step, Every) else None
    return None


def _array_node(automaton: Automaton, path: Sequence[str]) -> Node | None:
    """The node at the array; None where something on the way is selected, or single elements are."""
    node: Node | None = automaton.root
    for name in path:
        if node is None or node.match != NOTHING:
            return None
        node = node.child(name)
        if node is None:
            return Node(automaton, frozenset())
    if node is None or node.match != NOTHING or node.tells_elements_apart:
        return None
    return node
