"""Who receives which classes of data for which purpose, as far as the rules tell: what people are told."""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.model.words import Direction, Role
from gateway.policy.decide import permitted, recipient_of
from gateway.policy.policy import Policy, Recipient


class Use(msgspec.Struct, frozen=True):
    """One recipient, and the classes of data (full keys, sorted) that it may get for a purpose."""

    recipient: Recipient
    classes: tuple[str, ...]


def uses_of(policy: Policy) -> Mapping[str, tuple[Use, ...]]:
    """For each purpose who receives data, in the order in which the rules declare the recipients.

    What goes back to the person, or to a caller of whom the rules say nothing, is no use.
    """
    found: dict[str, dict[str, set[str]]] = {name: {} for name in policy.purposes}
    for purpose, recipient, data_class in _flows(policy):
        if purpose in found and recipient.role is not Role.SUBJECT:
            found[purpose].setdefault(recipient.name, set()).update((data_class,) if data_class else ())
    return {
        purpose: tuple(
            Use(recipient, tuple(sorted(classes[name])))
            for name, recipient in policy.recipients.items()
            if name in classes
        )
        for purpose, classes in found.items()
    }


def _flows(policy: Policy) -> Iterator[tuple[str, Recipient, str]]:
    for route in policy.routes:
        for direction in Direction:
            recipient = recipient_of(policy, route, direction)
            for rule in route.section(direction).fields:
                if permitted(recipient, rule.data_class, rule.purpose):
                    yield rule.purpose, recipient, rule.data_class
    for recipient in policy.recipients.values():
        for data_class, purposes in (recipient.may_receive or {}).items():
            for purpose in purposes:
                yield purpose, recipient, data_class
