"""Run one exchange on paper: the same engine as for traffic, with facts that are given.

`test`, `explain` and `diff` are built on this, so that what they say is what traffic would meet.
"""

from collections.abc import Mapping

import msgspec

from gateway.crypto.keyring import KeyRing
from gateway.documents.set_cookie import deletions
from gateway.engine.each import decide_each, entries_of, identifiers_of, people_listed
from gateway.engine.engine import Engine
from gateway.engine.exchange import Exchange
from gateway.engine.forgetting import forgotten
from gateway.engine.record import Entry, Moment
from gateway.engine.step import Refuse, Send, Step
from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.facts import UNKNOWN_SUBJECT, Consent, Facts, SubjectState
from gateway.model.identity import ANONYMOUS, Identity, caller_of
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import ConsentStatus, Direction, Posture, Role, UnknownDestinations
from gateway.policy.destinations import destinations
from gateway.policy.observe import observe_policy

PAPER_MOMENT = Moment(b"0" * 26, b"A" * 22, b"2000-01-01T00:00:00.000000Z")
PAPER_KEYS = KeyRing(bytes(32), "00q1a")
"""Keys for trials: pseudonyms come out the same everywhere, and are of no use anywhere else."""


Consents = tuple[tuple[str, str, ConsentStatus], ...]


class GivenFacts(msgspec.Struct, frozen=True):
    """Facts of a trial. `subject` stands in for whom the rules would find, `identity` for a verified source.

    `people` are the consents of those whom a message lists, by identifier; all others have those of `consents`.
    `outgoing` says that the message is a call that goes out; None: if its host is one that only such calls reach.
    """

    now: float
    subject: str | None = None
    consents: Consents = ()
    identity: Identity | None = None
    people: Mapping[str, Consents] = {}
    outgoing: bool | None = None


class Trial(msgspec.Struct, frozen=True):
    """What happened. `code` is set where no step could be made, for a reason of reading or routing."""

    exchange: Exchange | None
    facts: Facts | None
    request: Step | None
    response: Step | None = None
    code: str = ""
    why: str = ""
    entry: Entry | None = None


def try_exchange(
    engine: Engine,
    head: RequestHead,
    body: bytes,
    given: GivenFacts,
    response: tuple[ResponseHead, bytes] | None = None,
) -> Trial:
    """Take a request, and the answer to it where one is given, through the engine."""
    try:
        exchange = _received(engine, head, given.outgoing)
    except (Unreadable, Fault) as cause:
        return _stopped(engine, None, cause, Direction.REQUEST)
    exchange.identity = given.identity
    if given.identity is not None:
        exchange.caller = _caller(given.identity)
    try:
        identifier = exchange.open_request(body if exchange.reads_request_body else body or None)
        facts = facts_of(given, identifier)
        step = _decide(exchange, Direction.REQUEST, given, facts)
    except Unreadable as doubt:
        return _stopped(engine, exchange, doubt, Direction.REQUEST)
    if response is None or isinstance(step, Refuse):
        return Trial(exchange, facts, step)
    try:
        answer, content = response
        exchange.deletions = _deletions(step, head)
        exchange.open_response(answer, content if exchange.reads_response_body(answer) else None)
        return Trial(exchange, facts, step, _decide(exchange, Direction.RESPONSE, given, facts))
    except Unreadable as doubt:
        stopped = _stopped(engine, exchange, doubt, Direction.RESPONSE)
        return msgspec.structs.replace(stopped, facts=facts, request=step)


def _received(engine: Engine, head: RequestHead, outgoing: bool | None) -> Exchange:
    """Begin as traffic does: `serve` for requests that come in, `egress` for calls that go out.

    Raises:
        Unreadable, Fault: as `Engine.receive`; `unknown_recipient` for a call whose host is not that of its route.
    """
    called = destinations(engine.policy).find(head.host)
    if outgoing is None:
        outgoing = called is not None and called.upstream is None
    if outgoing and called is None:
        if engine.policy.egress.unknown is UnknownDestinations.REFUSE:
            raise Fault(Posture.UNKNOWN_RECIPIENT, Source.CLIENT, "no recipient has this host")
        observed = observe_policy(f"https://{head.host}", Role.PUBLIC)
        return Engine(observed, PAPER_KEYS, engine.limits).receive(head, PAPER_MOMENT.request_id)
    exchange = engine.receive(head, PAPER_MOMENT.request_id)
    recipient = exchange.request_plans.recipient
    if outgoing and recipient is not called:
        raise Fault(Posture.UNKNOWN_RECIPIENT, Source.CLIENT, "the route leads to another recipient than the host")
    if not outgoing and recipient.upstream is None:
        raise Fault(Posture.UNKNOWN_ROUTE, Source.CLIENT, "the route is for calls that go out")
    return exchange


def _decide(exchange: Exchange, direction: Direction, given: GivenFacts, facts: Facts) -> Step:
    listed = None if exchange.treatment.each is None else people_listed(exchange.content)
    if listed is None:
        return exchange.decide_request(facts) if direction is Direction.REQUEST else exchange.decide_response(facts)
    people = {}
    for identifier in identifiers_of(listed):
        theirs = facts_of(given, identifier, given.people.get(identifier, given.consents))
        if theirs.subject is not None:
            people[identifier] = theirs
    return decide_each(exchange, direction, listed, people, now=given.now)


def _deletions(step: Step, head: RequestHead) -> list[bytes]:
    """As traffic has them where nothing is known of how the cookies were set."""
    host = head.host.partition(":")[0]
    return [line for name in forgotten(step, head.headers) for line in deletions(name, host, ())]


def _caller(identity: Identity) -> str:
    try:
        return caller_of(identity, PAPER_KEYS.subject_handle(identity.name))
    except ValueError:
        return ANONYMOUS


def facts_of(given: GivenFacts, identifier: str | None, given_consents: Consents | None = None) -> Facts:
    """Facts as the stores would give them for this person, or for one of several with consents of their own."""
    if given_consents is None:
        given_consents = given.consents
        identifier = given.subject if given.subject is not None else identifier
    if identifier is None:
        return Facts(now=given.now)
    consents = {
        (purpose, recipient): Consent(purpose, recipient, status, "given-for-trial")
        for purpose, recipient, status in given_consents
    }
    state = SubjectState(consents) if consents else UNKNOWN_SUBJECT
    try:
        subject = PAPER_KEYS.subject_handle(identifier)
    except ValueError:
        return Facts(now=given.now)
    return Facts(now=given.now, subject=subject, state=state)


def _stopped(engine: Engine, exchange: Exchange | None, cause: Unreadable | Fault, direction: Direction) -> Trial:
    code = str(cause.posture if isinstance(cause, Unreadable) else cause.code)
    _, entry = engine.refuse(code, PAPER_MOMENT, exchange=exchange, direction=direction)
    return Trial(exchange, None, None, code=code, why=cause.why, entry=entry)


def steps_of(trial: Trial) -> list[tuple[Direction, Send | Refuse]]:
    """The steps that were made, with their direction."""
    found = [(Direction.REQUEST, trial.request), (Direction.RESPONSE, trial.response)]
    return [(direction, step) for direction, step in found if step is not None]


def step_record(trial: Trial, step: Step | None) -> dict[str, object] | None:
    """The record of a step, or of why there was none, as it would stand in the ledger but for its index."""
    entry = trial.entry
    if step is not None and trial.exchange is not None:
        if isinstance(step, Send):
            # Of a message that lists people, the first of its records.
            entry = entries_of(trial.exchange, step, lambda: PAPER_MOMENT)[0] if step.recorded else None
        else:
            entry = trial.exchange.entry(step, PAPER_MOMENT)
    if entry is None:
        return None
    decoded: dict[str, object] = msgspec.json.decode(entry[0] + entry[1])
    return decoded
