"""Lint of recipients abroad: personal data leaves a jurisdiction only under a safeguard."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.model.words import Role
from gateway.policy.declarations import Declarations
from gateway.policy.report import Report

EEA = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
))  # fmt: skip
"""The European Union with Iceland, Liechtenstein and Norway, where the GDPR holds by the EEA Agreement."""

_LAWS: Mapping[str, tuple[frozenset[str], str]] = MappingProxyType(
    {
        "EU": (EEA, "GDPR Chapter V"),
        "UK": (frozenset(("GB",)), "UK GDPR Chapter V"),
        "CN": (frozenset(("CN",)), "PIPL Art. 38"),
    }
)
"""By jurisdiction: the countries to which data goes without leaving it, and the law that asks for a safeguard.

California (US-CA) is not among them: the CCPA asks for none.
"""

_SENT_BY_CONTROLLER = (Role.PROCESSOR, Role.PARTNER, Role.AFFILIATE, Role.AUTHORITY)
"""Roles whose data the controller hands over to somebody else, which makes it a transfer."""


def lint_transfers(known: Declarations, report: Report) -> None:
    """Note recipients in another jurisdiction than the controller's for which no safeguard is named."""
    jurisdiction = known.controller.get("jurisdiction", "")
    law = _LAWS.get("EU" if jurisdiction in EEA else "UK" if jurisdiction == "GB" else jurisdiction)
    if law is None:
        return
    inside, source = law
    for recipient in known.recipients.values():
        abroad = recipient.country is not None and recipient.country not in inside
        if abroad and recipient.role in _SENT_BY_CONTROLLER and ("safeguard", recipient.name) not in known.places:
            message = f"'{recipient.name}' is in {recipient.country}, outside {jurisdiction}, without a safeguard"
            hint = f"add 'safeguard: adequacy', 'standard_clauses' or another ({source})"
            report.add("PG460", known.places["country", recipient.name], message, hint)
