"""Records: what the ledger keeps of one message. Addresses, classes, counts and handles; never a value.

Nearly all of a record is fixed by its plan, so it is encoded once; per message only the request
id, salt, time, subject and the counts are filled in. Keys are sorted, as FORMAT.md asks, and the
ledger puts `index` between the two halves.
"""

from collections.abc import Sequence

import msgspec

from gateway.model.action import action_name
from gateway.model.identity import ANONYMOUS
from gateway.model.words import Direction, Kind, Mode, Part, Rest, Role
from gateway.policy.decide import Verdict
from gateway.policy.policy import Recipient, Route

RECORD_VERSION = 1
_MEMO_LIMIT = 1024
_PLAIN = b'{"caller":"anonymous","consent":[],'
"""How the record of a message begins that nobody signed in sent and that relies on no consent."""
_UNLISTED_ADDRESSES = {Part.BODY: "body:*", Part.QUERY: "query:*", Part.HEADERS: "header:*", Part.COOKIES: "cookie:*"}

Entry = tuple[bytes, bytes]
"""A record in two halves: all keys that sort before "index", and all that sort after it."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What the outside gives to one record: `time` as in FORMAT.md, `salt` 22 base64url characters."""

    request_id: bytes
    salt: bytes
    time: bytes


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How often each field of the plan was met, and how many unlisted values each part held.

    `personal`: whether anything was classified or decided; unlisted headers alone are only counted.
    `text` is what the record says of it. Made by `RecordTemplate.counts`.
    """

    fields: tuple[int, ...]
    unlisted: tuple[int, int, int, int]
    personal: bool
    text: bytes


PART_ORDER: tuple[Part, ...] = (Part.BODY, Part.QUERY, Part.HEADERS, Part.COOKIES)


def encode(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")


class RecordTemplate:
    """The fixed text of all records that one plan can give; `sender` is known of answers, None of requests."""

    def __init__(
        self,
        digest: str,
        route: Route,
        *,
        direction: Direction,
        sender: Recipient | None,
        recipient: Recipient,
        verdicts: tuple[Verdict, ...],
        rest: Sequence[tuple[Part, Rest]],
    ) -> None:
        self._verdicts = verdicts
        self._rest = dict(rest)
        self._direction = direction
        self.kind = _kind(sender, recipient)
        self._memo: dict[tuple[tuple[int, ...], tuple[int, int, int, int]], Counts] = {}
        fixed = _after(digest, route.mode, recipient.name)
        self._after = {kind: fixed % (b'"%b"' % kind.encode()) for kind in (self.kind, Kind.REFUSE)}

    def counts(self, fields: tuple[int, ...], unlisted: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Counts:
        """The counts of one message with all that follows from them; the same counts are worked out once."""
        counts = self._memo.get((fields, unlisted))
        if counts is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            body, query, _headers, cookies = unlisted
            personal = bool(body or query or cookies) or any(fields)
            counts = self._memo[fields, unlisted] = Counts(fields, unlisted, personal, self._text(fields, unlisted))
        return counts

    def entry(
        self,
        moment: Moment,
        counts: Counts,
        *,
        method: bytes,
        route: bytes,
        subject: str | None,
        caller: str = ANONYMOUS,
        events: tuple[str, ...] = (),
        kind: Kind | None = None,
        reason: str = "",
        status: int = 0,
    ) -> Entry:
        """One record; `kind` overrides the plan's own (for refusals), `reason` says why.

        `caller` is ANONYMOUS, or as `caller_of` writes it.
        `route` is the name of the route as JSON: routes that say the same share one template.
        """
        if events:
            before = b'{"caller":%b,"consent":%b,%b' % (encode(caller), encode(events), counts.text)
        elif caller == ANONYMOUS:
            before = _PLAIN + counts.text
        else:
            before = b'{"caller":"%b","consent":[],%b' % (caller.encode(), counts.text)
        after = self._after[kind or self.kind] % (
            method,
            b'"reason":"%b",' % reason.encode() if reason else b"",
            moment.request_id,
            route,
            moment.salt,
            b'"status":%d,' % status if status else b"",
            b"null" if subject is None else b'"%b"' % subject.encode(),
            moment.time,
        )
        return before, after

    def _text(self, fields: tuple[int, ...], unlisted: tuple[int, int, int, int]) -> bytes:
        met = [_field(self._verdicts[i], count) for i, count in enumerate(fields) if count]
        for part, count in zip(PART_ORDER, unlisted, strict=True):
            if count:
                met.append(_unlisted(part, self._rest[part], count))
        return b'"direction":"%b","fields":%b,' % (self._direction.encode(), encode(met))


def _kind(sender: Recipient | None, recipient: Recipient) -> Kind:
    """What reaches the controller's own service from elsewhere is collected: requests, and answers of partners."""
    own = sender is not None and sender.role is Role.CONTROLLER
    return Kind.COLLECT if recipient.role is Role.CONTROLLER and not own else Kind.DISCLOSE


def _after(digest: str, mode: Mode, recipient: str) -> bytes:
    """A template with holes, in order: kind | method, reason, request, route, salt, status, subject, time."""
    name = encode(recipient).replace(b"%", b"%%%%")
    return (
        b'"kind":%%b,"method":"%%%%b","mode":"%b","policy":"%b",%%%%b"recipient":%b,"request":"%%%%b","route":%%%%b,'
        % (mode.encode(), digest.encode(), name)
        + b'"salt":"%%b",%%b"subject":%%b,"time":"%%b","version":1}'
    )


def _field(found: Verdict, count: int) -> dict[str, object]:
    rule = found.rule
    if found.basis is None:
        return {
            "action": action_name(found.action),
            "address": rule.address.text,
            "class": rule.data_class,
            "count": count,
            "reason": found.reason,
        }
    return {
        "action": action_name(found.action),
        "address": rule.address.text,
        "basis": found.basis,
        "class": rule.data_class,
        "count": count,
        "purpose": rule.purpose,
        "reason": found.reason,
    }


def _unlisted(part: Part, rest: Rest, count: int) -> dict[str, object]:
    return {"action": rest, "address": _UNLISTED_ADDRESSES[part], "count": count, "reason": "unlisted_field"}


def bare_entry(moment: Moment, *, kind: Kind, **details: object) -> Entry:
    """A record that no plan stands behind: refusals before a route is known, counts, policy in force.

    `details` are whole-word keys with values that never come from a message.
    """
    record = {
        **details,
        "kind": kind,
        "request": moment.request_id.decode(),
        "salt": moment.salt.decode(),
        "time": moment.time.decode(),
        "version": RECORD_VERSION,
    }
    if not moment.request_id:
        del record["request"]
    before = encode({key: value for key, value in record.items() if key < "index"})
    after = encode({key: value for key, value in record.items() if key > "index"})
    return (before[:-1] + b"," if len(before) > 2 else b"{"), after[1:]
