"""What an exchange hands back: the message may leave, or it may not."""

from typing import TypeAlias

import msgspec

from gateway.engine.plan import Decision
from gateway.engine.record import Counts
from gateway.model.message import Outgoing, Refusal


class Share(msgspec.Struct, frozen=True, gc=False):
    """What one person's items of a list hold, and what was decided of them."""

    subject: str
    decision: Decision
    counts: Counts


class Send(msgspec.Struct, frozen=True, gc=False):
    """The message may leave; where `recorded`, only once its record is durable.

    `posture` names what could not be read and is passed over by choice of the rules. Of a message that
    lists people, `decision` and `counts` are of what is nobody's, and `shares` of the others.
    """

    outgoing: Outgoing
    decision: Decision
    counts: Counts
    recorded: bool
    posture: str = ""
    shares: tuple[Share, ...] = ()


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """The message does not leave."""

    refusal: Refusal
    decision: Decision
    counts: Counts
    reason: str


Step: TypeAlias = Send | Refuse
