"""How a running gateway is, as its supervisor knows it."""

import msgspec

from gateway.runtime.anchoring import AnchoringStatus
from gateway.runtime.metrics import Snapshot
from gateway.workers.control import Status


class Condition(msgspec.Struct, frozen=True):
    """How all workers are at one moment: the digest that should be in force, and each slot's status.

    `contracts` are the days left of each contract that ends, by recipient.
    """

    policy: str
    workers: dict[str, Status | None]
    restarts: int
    reloads: dict[str, int]
    metrics: Snapshot
    anchoring: AnchoringStatus = AnchoringStatus(0.0, ())
    contracts: dict[str, int] = {}

    @property
    def ready(self) -> bool:
        """Whether every worker runs the policy in force with a ledger and consent store that answer.

        Anchors have no say: what they keep late is recorded in time.
        """
        return bool(self.workers) and all(
            status is not None and status.ledger and status.consent and status.policy == self.policy
            for status in self.workers.values()
        )
