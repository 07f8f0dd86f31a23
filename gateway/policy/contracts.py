"""How long the contracts with recipients still hold."""

from datetime import date

from gateway.policy.policy import Contract

NOTICE_DAYS = 30
"""From how many days before its end on a contract is warned of."""


def days_left(contract: Contract | None, today: date) -> int | None:
    """Days from `today` to the last one on which the contract is in force: 0 on that day itself, negative after it.

    None where there is no contract, or none that ends.
    """
    if contract is None or contract.expires is None:
        return None
    return (date.fromisoformat(contract.expires) - today).days
