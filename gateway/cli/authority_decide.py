"""`privacy-gateway disclosure authority approve | reject`: a second pair of eyes on a legal request."""

from pathlib import Path

import click

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.authority_options import REQUEST, because, print_step, refusals
from gateway.cli.consent_options import plain
from gateway.cli.operator_name import BY
from gateway.model.words import LegalStatus
from gateway.runtime.legal_requests import Register


def _decides(name: str, status: LegalStatus, text: str, *, reason: str, needs_reason: bool) -> click.Command:
    @click.command(name, help=text)
    @REQUEST
    @STATE
    @because(required=needs_reason, text=reason)
    @click.option("--same-person", callback=plain, help="Why whoever registered it decides, too. Recorded.")
    @BY
    @AS_JSON
    def decided(
        *, request: str, state: Path, because: str | None, same_person: str | None, by: str, as_json: bool
    ) -> None:
        with refusals(as_json=as_json), Register(state) as register:
            standing = register.decide(request, status, by=by, because=because, same_person=same_person)
        print_step(standing, as_json=as_json)

    return decided


approve_command = _decides(
    "approve",
    LegalStatus.APPROVED,
    "Approve a request: what it asks for may be produced. Not by whoever registered it.",
    reason="What was checked.",
    needs_reason=False,
)
reject_command = _decides(
    "reject",
    LegalStatus.REJECTED,
    "Reject a request: nothing is given, and nothing is held for it any more. Not by whoever registered it.",
    reason="Why nothing is given.",
    needs_reason=True,
)
