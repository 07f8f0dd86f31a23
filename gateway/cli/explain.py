"""`privacy-gateway explain`: what the rules do to one request, and why, from the engine's own trace."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.captures import Capture, parse_curl, read_capture, read_response
from gateway.cli.output import FINDINGS, FINE, console, print_json, printable
from gateway.engine.plan import Plan
from gateway.engine.record import PART_ORDER, Counts
from gateway.engine.step import Refuse, Send
from gateway.engine.trial import GivenFacts, Trial, step_record, steps_of, try_exchange
from gateway.model.action import action_name
from gateway.model.identity import Identity, IdentitySource
from gateway.model.words import STANDINGS, ConsentStatus, Direction
from gateway.policy.cases import identity_on_paper
from gateway.policy.policy import FieldRule

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--rules", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--request", "request_file", type=_FILE, help="A file with a raw HTTP request, or a HAR.")
@click.option("--entry", type=click.IntRange(0), default=0, help="Which entry of the HAR, from 0.")
@click.option("--curl", "curl_command", help="A curl command line, in quotes.")
@click.option("--response", "response_file", type=_FILE, help="A file with the raw HTTP answer to explain too.")
@click.option("--consent", "consents", multiple=True, metavar="PURPOSE[@RECIPIENT]=STATUS", help="A fact; repeatable.")
@click.option("--subject", help="The person, instead of the one whom the rules find in the message.")
@click.option("--identity", metavar="SOURCE:NAME", help="Whom a verified source names: token:ann@shop.example.")
@click.option("--outgoing/--incoming", default=None, help="Whether it is a call that goes out; else its host says.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
def command(
    *,
    rules: Path,
    request_file: Path | None,
    entry: int,
    curl_command: str | None,
    response_file: Path | None,
    consents: tuple[str, ...],
    subject: str | None,
    identity: str | None,
    outgoing: bool | None,
    as_json: bool,
) -> int:
    """Explain one request: route, facts, verdict of every field and why, what would be sent, the record.

    Exit status 2 when the message would be refused.
    """
    from gateway.engine.engine import Engine
    from gateway.engine.trial import PAPER_KEYS
    from gateway.model.limits import DEFAULT_LIMITS
    from gateway.runtime.reload import load_directory

    if (request_file is None) == (curl_command is None):
        raise click.UsageError("give either --request FILE or --curl 'curl …'")
    capture = read_capture(request_file, entry) if request_file is not None else parse_curl(curl_command or "")
    response = read_response(response_file) if response_file is not None else capture.response
    policy, _ = load_directory(rules)
    given = GivenFacts(
        time.time(),
        subject,
        tuple(_consent(text) for text in consents),
        _identity(identity),
        outgoing=outgoing,
    )
    engine = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS, outgoing=True)
    trial = try_exchange(engine, capture.head, capture.body, given, response)
    if as_json:
        print_json(explanation(trial, capture, response))
    else:
        _print(trial, capture, response)
    refused = trial.code or any(isinstance(step, Refuse) for _, step in steps_of(trial))
    return FINDINGS if refused else FINE


def _consent(text: str) -> tuple[str, str, ConsentStatus]:
    scope, equals, status = text.partition("=")
    purpose, _, recipient = scope.partition("@")
    known = [each.value for each in STANDINGS]
    if not equals or status not in known:
        raise click.UsageError(f"write --consent PURPOSE=STATUS with a status of: {', '.join(known)}")
    return purpose, recipient or "*", ConsentStatus(status)


def _identity(text: str | None) -> Identity | None:
    if text is None:
        return None
    source, _, name = text.partition(":")
    known = [each.value for each in IdentitySource]
    if source not in known or not name:
        raise click.UsageError(f"write --identity SOURCE:NAME with a source of: {', '.join(known)}")
    return identity_on_paper(IdentitySource(source), name)


def explanation(trial: Trial, capture: Capture, response: tuple[Any, bytes] | None) -> dict[str, object]:
    """The trace of a trial as plain values; `test` shows the same engine's outcome."""
    route = trial.exchange.route if trial.exchange is not None else None
    found: dict[str, object] = {
        "route": route.name if route else None,
        "place": f"{route.place.file}:{route.place.line}" if route else None,
        "to": route.to if route else None,
        "mode": route.mode if route else None,
        "caller": trial.exchange.caller.partition(":")[0] if trial.exchange is not None else None,
        "subject": "resolved" if trial.facts is not None and trial.facts.subject else "none",
        "refused": {"code": trial.code, "why": trial.why} if trial.code else None,
    }
    originals = {Direction.REQUEST: capture.body, Direction.RESPONSE: response[1] if response else b""}
    for direction, step in steps_of(trial):
        rules = route.section(direction).fields if route else ()
        found[direction.value] = {**_step(step, rules, originals[direction]), "record": step_record(trial, step)}
    return found


def _step(step: Send | Refuse, rules: Sequence[FieldRule], original: bytes) -> dict[str, object]:
    unlisted = {part.value: count for part, count in zip(PART_ORDER, step.counts.unlisted, strict=True) if count}
    if isinstance(step, Refuse):
        sent: dict[str, object] = {"refused": step.refusal.code, "status": step.refusal.status}
    else:
        sent = {"message": _wire(step, original)}
    found = {**sent, "fields": _fields(step.decision.plan, step.counts, rules), "unlisted": unlisted}
    if isinstance(step, Send) and step.shares:
        found["people"] = [_fields(share.decision.plan, share.counts, rules) for share in step.shares]
    return found


def _fields(plan: Plan, counts: Counts, rules: Sequence[FieldRule]) -> list[dict[str, object]]:
    return [
        {
            "address": each.rule.address.text,
            "class": each.rule.data_class,
            "purpose": each.rule.purpose,
            "basis": each.basis or "",
            "action": action_name(each.action),
            "reason": each.reason,
            "count": count,
            "rule": f"{rule.place.file}:{rule.place.line}",
        }
        for each, rule, count in zip(plan.verdicts, rules, counts.fields, strict=True)
    ]


def _wire(step: Send, original: bytes) -> str:
    out = step.outgoing
    first = [out.target] if out.target else [b"%d" % out.status]
    body = original if out.body is None else out.body
    lines = [*first, *(name + b": " + value for name, value in out.headers), b"", body]
    return b"\n".join(lines).decode(errors="backslashreplace")


def _print(trial: Trial, capture: Capture, response: tuple[Any, bytes] | None) -> None:
    found: Any = explanation(trial, capture, response)
    if found["route"] is None:
        console.print(Text(f"no route for {capture.head.method} {capture.head.host}"))
    else:
        console.print(Text(f"route {found['route']} ({found['place']}) to {found['to']}, mode {found['mode']}"))
        console.print(Text(f"person: {found['subject']}"))
        console.print(Text(f"caller: {found['caller']}"))
    if found["refused"]:
        console.print(Text(f"refused: {found['refused']['code']} ({found['refused']['why']})", style="bold red"))
    for direction in Direction:
        if direction.value in found:
            _print_step(direction, found[direction.value])


def _print_step(direction: Direction, step: Any) -> None:
    table = Table("address", "class", "purpose", "basis", "action", "reason", "met", "rule", title=direction.value)
    people = step.get("people", ())
    for number, fields in enumerate((step["fields"], *people)):
        if people:
            table.add_section()
            table.add_row(Text(f"person {number} of {len(people)}" if number else "nobody's"), style="bold")
        for each in fields:
            style = "" if each["count"] else "dim"
            keys = ("address", "class", "purpose", "basis", "action", "reason", "count", "rule")
            table.add_row(*(Text(str(each[key])) for key in keys), style=style)
    for part, count in step["unlisted"].items():
        table.add_row(Text(f"{part}: not listed"), "", "", "", "rest", "unlisted_field", str(count), "")
    console.print(table)
    if "refused" in step:
        console.print(Text(f"refused: {step['refused']} (status {step['status']})", style="bold red"))
    else:
        console.print(Text("would be sent:", style="bold"))
        console.print(Text(printable(step["message"])), soft_wrap=True)
    record = step["record"]
    console.print(Text("record: " + ("none, only counted" if record is None else str(record["kind"])), style="bold"))
    if record is not None:
        console.print_json(data=record)
