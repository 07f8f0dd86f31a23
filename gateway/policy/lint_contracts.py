"""Lint of the contracts under which recipients get data: those that are missing, and those that end."""

from collections.abc import Sequence
from datetime import date

from gateway.model.words import Role
from gateway.policy.contracts import NOTICE_DAYS, days_left
from gateway.policy.declarations import Declarations
from gateway.policy.policy import Recipient
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute

_UNDER_CONTRACT = (Role.PARTNER, Role.AFFILIATE)
"""Roles that a contract is asked of where calls go out; a processor needs one in any case."""


def lint_contracts(drafts: Sequence[DraftRoute], known: Declarations, today: date, report: Report) -> None:
    """Note recipients without a contract that need one, and contracts that have ended or soon will."""
    called = {draft.to.name for draft in drafts if draft.to and known.only_goes_out(draft.to.name)}
    for recipient in known.recipients.values():
        if recipient.contract is None:
            if ("contract", recipient.name) not in known.places:
                _lint_missing(recipient, known, report, called=recipient.name in called)
            continue
        place = known.places["contract", recipient.name]
        left = days_left(recipient.contract, today)
        if left is None or left > NOTICE_DAYS:
            continue
        if left < 0:
            ended = recipient.contract.expires
            message = f"the contract with '{recipient.name}' ended on {ended}; it receives nothing"
            report.add("PG406", place, message, "renew the contract, or take the recipient out")
        else:
            report.add("PG407", place, f"the contract with '{recipient.name}' ends in {left} days", "renew it")


def _lint_missing(recipient: Recipient, known: Declarations, report: Report, *, called: bool) -> None:
    place = known.places["recipient", recipient.name]
    if recipient.role is Role.PROCESSOR:
        message = f"the processor '{recipient.name}' has no contract (GDPR Art. 28)"
        report.add("PG410", place, message, "add 'contract: {ref: …}'")
    elif called and recipient.role in _UNDER_CONTRACT:
        message = f"calls go out to the {recipient.role} '{recipient.name}', and no contract says on what terms"
        report.add("PG461", place, message, "add 'contract: {ref: …, expires: …}'")
