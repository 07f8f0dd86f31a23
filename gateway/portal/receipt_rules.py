"""What the rules say of the purposes that a person decided about: receivers, classes of data, bases."""

from collections.abc import Iterator

import msgspec

from gateway.model.words import Basis, Direction, Role
from gateway.policy.decide import permitted
from gateway.policy.policy import FieldRule, Policy, Purpose, Route

ANY = "*"


class Scope(msgspec.Struct, frozen=True):
    """What one decision is about, by the rules in force, all names sorted. What they do not know has no bases."""

    purposes: tuple[Purpose, ...]
    bases: tuple[Basis, ...]
    classes: tuple[str, ...]
    receivers: tuple[str, ...]
    collects: bool
    discloses: bool


def scope_of(policy: Policy, purpose: str, recipient: str) -> Scope:
    """The scope of a decision about a purpose and a recipient, `*` standing for all of them.

    A purpose that the rules only know the parts of stands for these.
    """
    purposes = tuple(each for name, each in sorted(policy.purposes.items()) if _is_meant(policy, purpose, name))
    names = {each.name for each in purposes}
    classes, receivers, kinds = set[str](), set[str](), set[bool]()
    for rule, receiver, collects in _listed(policy):
        if rule.purpose in names and recipient in (ANY, receiver):
            classes.add(rule.data_class)
            receivers.add(receiver)
            kinds.add(collects)
    return Scope(
        purposes,
        tuple(sorted({each.basis for each in purposes})),
        tuple(sorted(classes)),
        tuple(sorted(receivers)),
        collects=True in kinds,
        discloses=False in kinds,
    )


def _is_meant(policy: Policy, purpose: str, name: str) -> bool:
    if purpose in policy.purposes:
        return name == purpose
    return purpose == ANY or name.startswith(purpose + ".")


def _listed(policy: Policy) -> Iterator[tuple[FieldRule, str, bool]]:
    """Each listed field that may go on, with who receives it, and whether that collects it for the controller."""
    for route in policy.routes:
        for direction in Direction:
            receiver = _receiver(route, direction)
            declared = policy.recipients.get(receiver)
            if declared is None:
                continue
            collects = direction is Direction.REQUEST and declared.role is Role.CONTROLLER
            for rule in route.section(direction).fields:
                if permitted(declared, rule.data_class, rule.purpose):
                    yield rule, receiver, collects


def _receiver(route: Route, direction: Direction) -> str:
    return route.to if direction is Direction.REQUEST else route.caller
