"""Contracts that end while the gateway runs: the days that are left, and a warning on each day."""

from datetime import date
from typing import Any

from gateway.policy.contracts import NOTICE_DAYS, days_left
from gateway.policy.policy import Policy
from gateway.runtime.reload import today


def contract_days(policy: Policy) -> dict[str, int]:
    """Days left (UTC) of each contract that ends, by recipient; negative once it has ended."""
    day = date.fromisoformat(today())
    left = {name: days_left(recipient.contract, day) for name, recipient in policy.recipients.items()}
    return {name: days for name, days in left.items() if days is not None}


class ContractWatch:
    """Logs what `check` would warn of on the day; it begins with the next day, since loading rules warns, too."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._seen = today()

    def look(self, policy: Policy) -> None:
        """Warn of contracts that end within 30 days, and of those that have ended, once on each day."""
        day = today()
        if day == self._seen:
            return
        self._seen = day
        for name, left in sorted(contract_days(policy).items()):
            if left < 0:
                self._log.warning("contract has ended", recipient=name, days=left)
            elif left <= NOTICE_DAYS:
                self._log.warning("contract ends", recipient=name, days=left)
