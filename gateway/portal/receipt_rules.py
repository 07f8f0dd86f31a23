"""What the rules say of the purposes that a person decided about: receivers, classes of data, bases."""

import msgspec

from gateway.model.words import Basis, Role
from gateway.policy.policy import Policy, Purpose
from gateway.policy.uses import uses_of

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
    listed = uses_of(policy)
    uses = [use for each in purposes for use in listed[each.name] if recipient in (ANY, use.recipient.name)]
    ours = {use.recipient.role is Role.CONTROLLER for use in uses}
    return Scope(
        purposes,
        tuple(sorted({each.basis for each in purposes})),
        tuple(sorted({name for use in uses for name in use.classes})),
        tuple(sorted({use.recipient.name for use in uses})),
        collects=True in ours,
        discloses=False in ours,
    )


def _is_meant(policy: Policy, purpose: str, name: str) -> bool:
    if purpose in policy.purposes:
        return name == purpose
    return purpose == ANY or name.startswith(purpose + ".")
