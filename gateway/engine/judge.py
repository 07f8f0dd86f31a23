"""Judge a case: run it on paper, compare with what it expects, and note which rules it reached."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from gateway.engine.engine import Engine
from gateway.engine.step import Refuse, Send
from gateway.engine.trial import GivenFacts, Trial, step_record, steps_of, try_exchange
from gateway.model.message import RequestHead, ResponseHead, header_values
from gateway.model.words import Direction
from gateway.policy.cases import Case, CaseMessage, Expectation, Json
from gateway.policy.policy import FieldRule, Policy

ANYTHING = "<any>"
"""In an expectation, a text that equals every value."""

Rule = tuple[str, str, str]
"""Route, direction and address: names one field rule in a report of coverage.

A cookie of all routes is one rule, of the route `*` and both directions.
"""


class Difference(msgspec.Struct, frozen=True):
    """One thing that came out otherwise than expected, as text for people to compare."""

    what: str
    expected: str
    got: str


class Outcome(msgspec.Struct, frozen=True):
    case: Case
    differences: tuple[Difference, ...]
    reached: frozenset[Rule]

    @property
    def passed(self) -> bool:
        return not self.differences


def judge(engine: Engine, case: Case, *, now: float) -> Outcome:
    """Run one case; `now` counts unless the case names a date."""
    if case.facts.date is not None:
        now = datetime.fromisoformat(case.facts.date).replace(tzinfo=UTC).timestamp()
    facts = case.facts
    given = GivenFacts(now, facts.subject, facts.consents, facts.identity, facts.people, facts.outgoing)
    answer = case.response
    trial = try_exchange(
        engine,
        head_of(case.request),
        case.request.body,
        given,
        (ResponseHead(answer.status, answer.headers), answer.body) if answer is not None else None,
    )
    differences = list(_compare(case.expect, trial, Direction.REQUEST, case.request))
    if case.expect_response is not None and answer is not None:
        differences += _compare(case.expect_response, trial, Direction.RESPONSE, answer)
    return Outcome(case, tuple(differences), frozenset(_reached(trial)))


def head_of(message: CaseMessage) -> RequestHead:
    return RequestHead(
        method=message.method,
        target=message.target,
        host=message.host.lower(),
        headers=message.headers,
        has_body=bool(message.body),
    )


def uncovered(policy: Policy, outcomes: Iterable[Outcome]) -> list[Rule]:
    """Field rules that no case reached, in the order of the rule files."""
    reached = {rule for outcome in outcomes for rule in outcome.reached}
    return [rule for rule in all_rules(policy) if rule not in reached]


def all_rules(policy: Policy) -> list[Rule]:
    rules = (
        _rule(route.name, direction, rule)
        for route in policy.routes
        for direction in Direction
        for rule in route.section(direction).fields
    )
    return list(dict.fromkeys(rules))


def _rule(route: str, direction: Direction, rule: FieldRule) -> Rule:
    return ("*", "both", rule.address.text) if rule.general else (route, direction.value, rule.address.text)


def _reached(trial: Trial) -> Iterable[Rule]:
    name = trial.exchange.route.name if trial.exchange is not None else ""
    for direction, step in steps_of(trial):
        shares = step.shares if isinstance(step, Send) else ()
        for each in (step, *shares):
            for found, count in zip(each.decision.plan.verdicts, each.counts.fields, strict=True):
                if count:
                    yield _rule(name, direction, found.rule)


def _compare(expect: Expectation, trial: Trial, direction: Direction, sent: CaseMessage) -> Iterable[Difference]:
    step = trial.request if direction is Direction.REQUEST else trial.response
    prefix = "" if direction is Direction.REQUEST else "response "
    refused = _refusal_code(trial, step)
    wants_forward = expect.unchanged or expect.forward is not None
    if expect.refuse is not None and refused != expect.refuse:
        yield Difference(prefix + "refuse", expect.refuse, refused or "forwarded")
    if wants_forward:
        if not isinstance(step, Send):
            yield Difference(prefix + "forward", "forwarded", f"refused: {refused}")
        elif expect.unchanged:
            yield from _unchanged(prefix, step, sent)
        else:
            yield from _forwarded(prefix, expect.forward or {}, step, sent)
    record = step_record(trial, step)
    if expect.no_record and record is not None:
        yield Difference(prefix + "record", "none", _pretty(record))
    if expect.record is not None:
        yield from _recorded(prefix, expect.record, record)


def _refusal_code(trial: Trial, step: Send | Refuse | None) -> str:
    if isinstance(step, Refuse):
        return step.refusal.code
    if step is None and isinstance(trial.request, Refuse):
        return trial.request.refusal.code
    return trial.code if step is None else ""


def _unchanged(prefix: str, step: Send, sent: CaseMessage) -> Iterable[Difference]:
    out = step.outgoing
    target_same = not out.target or out.target == sent.target
    body = sent.body if out.body is None else out.body
    if body != sent.body or out.headers != sent.headers or not target_same:
        yield Difference(prefix + "forward", _wire(sent.target, sent.headers, sent.body), _wire_of(step))


def _forwarded(prefix: str, expected: dict[str, Json], step: Send, sent: CaseMessage) -> Iterable[Difference]:
    out = step.outgoing
    body = sent.body if out.body is None else out.body
    if "path" in expected and expected["path"] != out.target.decode("latin-1"):
        yield Difference(prefix + "path", str(expected["path"]), out.target.decode("latin-1"))
    if "json" in expected:
        yield from _same(prefix + "json", expected["json"], _parsed(body))
    if "form" in expected:
        yield from _same(prefix + "form", expected["form"], dict(parse_qsl(body.decode(), keep_blank_values=True)))
    if "body" in expected:
        yield from _same(prefix + "body", expected["body"], body.decode(errors="replace"))
    headers = expected.get("headers")
    if isinstance(headers, dict):
        for name, value in headers.items():
            values = [each.decode("latin-1") for each in header_values(out.headers, name.lower().encode())]
            got: Json = None if not values else values[0] if len(values) == 1 else list(values)
            yield from _same(f"{prefix}header {name}", value, got)


def _recorded(prefix: str, expected: dict[str, Json], record: dict[str, object] | None) -> Iterable[Difference]:
    if record is None:
        yield Difference(prefix + "record", _pretty(expected), "none")
        return
    got: dict[str, Json] = {}
    for key in expected:
        if key == "fields":
            listed = record.get("fields")
            got[key] = {each["address"]: each["action"] for each in listed} if isinstance(listed, list) else {}
        else:
            got[key] = str(record.get(key, ""))
    yield from _same(prefix + "record", expected, got)


def _same(what: str, expected: Json, got: Json) -> Iterable[Difference]:
    if not _matches(expected, got):
        yield Difference(what, _pretty(expected), _pretty(got))


def _matches(expected: Json, got: Json) -> bool:
    if expected == ANYTHING:
        return got is not None
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(_matches(value, got[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(_matches, expected, got))
    return type(expected) is type(got) and expected == got


def _parsed(body: bytes) -> Json:
    try:
        parsed: Json = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return parsed


def _pretty(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _wire(target: bytes, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> str:
    lines = [target, *(name + b": " + value for name, value in headers), b"", body]
    return b"\n".join(lines).decode(errors="replace")


def _wire_of(step: Send) -> str:
    return _wire(step.outgoing.target, step.outgoing.headers, step.outgoing.body or b"")
