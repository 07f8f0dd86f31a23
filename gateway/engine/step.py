"""What an exchange hands back: the message may leave, or it may not."""

from typing import TypeAlias

import msgspec

from gateway.engine.plan import Decision
from gateway.engine.record import Counts
from gateway.model.message import Outgoing, Refusal


class Send(msgspec.Struct, frozen=True, gc=False):
    """The message may leave; where `recorded`, only once its record is durable.

    `posture` names what could not be read and is passed over by choice of the rules.
    """

    outgoing: Outgoing
    decision: Decision
    counts: Counts
    recorded: bool
    posture: str = ""


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """The message does not leave."""

    refusal: Refusal
    decision: Decision
    counts: Counts
    reason: str


Step: TypeAlias = Send | Refuse
