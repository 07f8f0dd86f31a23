"""Lint of what the rules say about signals of browsers."""

from gateway.policy.declarations import Declarations
from gateway.policy.report import Report


def lint_signals(known: Declarations, report: Report) -> None:
    """Note what maps to a TC string that nobody reads, and purposes that no such string can speak of."""
    reads = known.signals.tcf is not None or known.signals.gpp is not None
    hint = "add 'signals: {tcf: {cookie: euconsent-v2}}'"
    for purpose in known.purposes.values():
        place = known.places.get(("tcf", purpose.name))
        if place is None:
            continue
        if not purpose.basis.needs_consent:
            message = f"'{purpose.name}' rests on {purpose.basis}, and a TC string speaks of consent"
            report.add("PG440", place, message, "leave 'tcf' out, or use 'basis: consent'")
        elif not reads and not report.broken:
            report.add("PG441", place, f"the TCF purposes of '{purpose.name}' are never looked for", hint)
    for name in known.recipients:
        place = known.places.get(("tcf_vendor", name))
        if place is not None and not reads and not report.broken:
            report.add("PG441", place, f"the vendor id of '{name}' is never looked for", hint)
