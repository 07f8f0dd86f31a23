"""Reads and checks `subject: {each: …, field: …}`: messages that list many people, decided item by item."""

from collections.abc import Iterator, Mapping

from gateway.documents.item_array import needs_whole, reaches_items
from gateway.model.address import Address, Child, Descend, Every
from gateway.model.address import Place as Where
from gateway.model.words import Direction
from gateway.policy.declarations import Declarations
from gateway.policy.policy import Each, Place
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.sections import DraftField, DraftSection, read_address
from gateway.policy.source import Node

_BODY_PLACES = (Where.BODY, Where.FORM, Where.PART)


def read_each(reader: Reader, keys: Mapping[str, Node]) -> Each | None:
    """The keys `each`, `field` and `in` of a subject; None, with diagnostics, where they cannot be read."""
    items, path = _read_items(reader, keys["each"])
    field = _read_field(reader, keys["field"]) if "field" in keys else None
    direction = reader.word(keys["in"], Direction, "direction") if "in" in keys else Direction.RESPONSE
    if items is None or path is None or field is None or direction is None:
        return None
    return Each(items, path, field, direction)


def lint_each(
    each: Each,
    at: Place,
    sections: Mapping[Direction, DraftSection],
    known: Declarations,
    report: Report,
    *,
    flows_at: Place | None = None,
) -> None:
    """Note rules that cannot be decided item by item, and fields for which nobody is asked.

    `flows_at` is where the route says that bodies are edited as they flow.
    """
    if flows_at is not None:
        message = "the people of all items are looked up together, before the first item goes on"
        report.add("PG236", flows_at, message, "take out 'items'; 'body_limit:' says how large a list may be")
    section = sections[each.direction]
    reached = False
    for field in section.fields:
        address = field.rule.address
        if address.place is not Where.BODY:
            continue
        if needs_whole(address, each.path):
            message = f"'{address.text}' selects the list '{each.items.text}' as a whole or by index"
            hint = f"list what is in the items: '{each.items.text}.NAME'"
            report.add("PG234", field.rule.place, message, hint)
        reached = reached or reaches_items(address, each.path)
    if not reached:
        message = f"the {each.direction} lists no field of the items '{each.items.text}', so nothing is decided there"
        report.add("PG235", at, message, f"list what is in the items: '{each.items.text}.NAME'")
    for field in _of_nobody(each, sections):
        purpose = known.purposes.get(field.rule.purpose)
        if purpose is not None and purpose.basis.needs_consent:
            message = f"'{field.rule.address.text}' is outside of the items, where nobody can have given consent"
            hint = "list it for a purpose that needs none, drop it, or make a route of its own"
            report.add("PG431", field.purpose_at, message, hint)


def _of_nobody(each: Each, sections: Mapping[Direction, DraftSection]) -> Iterator[DraftField]:
    """Fields that are in no item, whatever the message."""
    for direction, section in sections.items():
        for field in section.fields:
            address = field.rule.address
            inside = direction is each.direction and address.place is Where.BODY and reaches_items(address, each.path)
            if not inside:
                yield field


def _read_items(reader: Reader, node: Node) -> tuple[Address | None, tuple[str, ...] | None]:
    scalar = reader.scalar(node, "'each'")
    address = read_address(reader, scalar) if scalar else None
    if address is None or scalar is None:
        return None, None
    names = tuple(step.name for step in address.steps[:-1] if isinstance(step, Child))
    by_name = len(names) == len(address.steps) - 1
    if address.place is Where.BODY and address.steps and isinstance(address.steps[-1], Every) and by_name:
        return address, names
    hint = "names that lead to one array of a JSON body, and '[*]' at the end: '$.items[*]', or '$[*]'"
    reader.report.add("PG232", scalar, f"'{address.text}' does not name the elements of one array", hint)
    return address, None


def _read_field(reader: Reader, node: Node) -> Address | None:
    scalar = reader.scalar(node, "'field'")
    address = read_address(reader, scalar) if scalar else None
    if address is None or scalar is None:
        return None
    several = any(isinstance(step, Every | Descend) for step in address.steps)
    if address.place is Where.BODY and not several:
        return address
    hint = "write it as if the item were the body: '$.customer_id', or '$.customer.id'"
    reader.report.add("PG233", scalar, f"'{address.text}' does not name one value of an item", hint)
    return None
