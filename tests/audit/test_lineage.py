"""One person's records joined by class: what came in, what went out, and what did not."""

import random
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.lineage import Lineage, Outcome, Wanted, trace
from gateway.audit.reading import Entry

ANN = "s1.aaaaaaaaaaaaaaaaaaaaaA"
EMAIL, NAME = "user.contact.email", "user.name"
PASSED, WITHHELD, REFUSED = Outcome


def field(data_class=EMAIL, action="keep", purpose="service", basis="contract", reason="listed", number=1, **more):
    return {"class": data_class, "action": action, "purpose": purpose, "basis": basis, "reason": reason,
            "count": number} | more  # fmt: skip


def log(*records):
    """Entries as the log gives them back, the newest first; the n-th record is one of minute n, and of index n."""
    made = []
    for index, record in enumerate(records):
        given_keys = {"kind": "collect", "recipient": "shop", "route": "sign-up", "direction": "request"}
        given_keys |= {"caller": "anonymous", "mode": "enforce", "time": at(index), "subject": ANN}
        made.append(Entry("example.org/log/w0", "w0", index, "", given_keys | record))
    return made[::-1]


def at(minute):
    return f"2026-11-23T13:{minute:02}:00.000000Z"


def sent(*fields, **more):
    return {"kind": "disclose", "recipient": "mailer", "route": "send", "caller": "application:crm",
            "fields": list(fields)} | more  # fmt: skip


def told(lineage: Lineage):
    """By class: what was collected and what went, each as (recipient, outcome, action, records, first, last)."""

    def brief(flow):
        first, last = (int(place.record.removeprefix("w0/")) for place in (flow.first, flow.last))
        return flow.recipient, flow.outcome, flow.action, flow.records, first, last

    return {each.data_class: ([*map(brief, each.collected)], [*map(brief, each.went)]) for each in lineage.classes}


def test_what_was_collected_meets_what_went_out_of_the_same_class():
    found = trace(
        log(
            {"fields": [field(action="pseudonym"), field(NAME)]},
            {"fields": [field(action="pseudonym")]},
            sent(field()),
            sent(field(), field(NAME, basis="consent", purpose="ads"), consent=["01A"]),
        ),
        ANN,
    )
    assert told(found) == {
        EMAIL: ([("shop", PASSED, "pseudonym", 2, 0, 1)], [("mailer", PASSED, "keep", 2, 2, 3)]),
        NAME: ([("shop", PASSED, "keep", 1, 0, 0)], [("mailer", PASSED, "keep", 1, 3, 3)]),
    }
    assert found.records == 4
    went = found.classes[1].went[0]
    assert (went.caller, went.purpose, went.basis, went.consent, went.route) == (
        "application:crm", "ads", "consent", ("01A",), "send",
    )  # fmt: skip
    assert (went.first.time, went.first.record) == (at(3), "w0/3")


def test_what_a_rule_held_back_and_what_was_refused_is_told_with_its_reason():
    found = trace(
        log(
            {"fields": [field()]},
            sent(field(action="drop", reason="withdrawn")),
            sent(field(reason="listed"), kind="refuse", reason="unresolved_subject"),
            sent(kind="refuse", reason="contract_expired"),
            sent(field(action="block", reason="no_consent"), kind="refuse", reason=None),
        ),
        ANN,
    )
    by_class = {each.data_class: each for each in found.classes}
    assert [(flow.outcome, flow.reason) for flow in by_class[EMAIL].went] == [
        (WITHHELD, "withdrawn"), (REFUSED, "unresolved_subject"), (REFUSED, "no_consent"),
    ]  # fmt: skip
    [whole] = by_class[""].went
    assert (whole.outcome, whole.reason, whole.action, whole.recipient) == (REFUSED, "contract_expired", "", "mailer")


def test_a_refused_message_to_whoever_collects_is_no_disclosure():
    refused = {"kind": "refuse", "reason": "over_size", "fields": [field()]}
    [each] = trace(log(refused, {"fields": [field()]}), ANN).classes
    assert [(flow.outcome, flow.recipient) for flow in each.collected] == [(REFUSED, "shop"), (PASSED, "shop")]
    assert each.went == ()
    [alone] = trace(log(refused), ANN).classes
    assert (alone.collected, [flow.outcome for flow in alone.went]) == ((), [REFUSED])


def test_what_went_before_it_was_collected_is_said_to():
    early = trace(log(sent(field()), {"fields": [field()]}, sent(field(), recipient="ads")), ANN).classes[0]
    assert [(flow.recipient, flow.before_collection) for flow in early.went] == [("mailer", True), ("ads", False)]
    [never] = trace(log({"fields": [field(action="drop")]}, sent(field())), ANN).classes
    assert [flow.before_collection for flow in never.went] == [True]


def test_a_message_that_was_only_watched_passed_whole():
    [each] = trace(log(sent(field(action="drop"), mode="observe")), ANN).classes
    assert [(flow.outcome, flow.action, flow.mode) for flow in each.went] == [(PASSED, "keep", "observe")]


def test_values_that_no_rule_lists_are_told_where_they_passed():
    unlisted = {"address": "body:*", "count": 3, "reason": "unlisted_field"}
    found = trace(log(sent(unlisted | {"action": "pass"}), sent(unlisted | {"action": "drop"})), ANN)
    assert told(found) == {"": ([], [("mailer", PASSED, "pass", 1, 0, 0)])}
    assert found.classes[0].went[0].values == 3


def test_what_a_page_embeds_goes_to_whom_it_reaches():
    answer = {"kind": "collect", "direction": "response", "fields": [field(address="html:ads"), field(NAME)]}
    assert told(trace(log(answer), ANN)) == {
        EMAIL: ([], [("ads", PASSED, "keep", 1, 0, 0)]),
        NAME: ([("shop", PASSED, "keep", 1, 0, 0)], []),
    }


def test_consent_events_are_told_with_the_purpose_that_they_were_for():
    consent = {"basis": "consent", "number": 2}
    decided = [{"kind": "consent", "event": event, "purpose": purpose}
               for event, purpose in (("01A", "ads"), ("01B", "analytics"), ("01C", "*"))]  # fmt: skip
    events = ["01A", "01B", "01C", "01Z"]
    found = trace(
        log(
            *decided,
            sent(field(purpose="ads", **consent), field(NAME, purpose="analytics", **consent), field(EMAIL + ".work"),
                 consent=events),
            sent(field(purpose="ads", **consent), consent=["01A", "01C", "01Z"]),
        ),
        ANN,
    )  # fmt: skip
    assert {each.data_class: [flow.consent for flow in each.went] for each in found.classes} == {
        EMAIL: [("01A", "01C", "01Z")], EMAIL + ".work": [()], NAME: [("01B", "01C", "01Z")],
    }  # fmt: skip
    assert found.classes[0].went[0].records == 2, "what says the same is one flow"


HISTORY = (
    {"fields": [field(action="pseudonym"), field(NAME)]},
    sent(field()),
    {"fields": [field(action="pseudonym")]},
    sent(field(), field(NAME)),
    sent(field(), recipient="ads", route="audience"),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"recipient": "ads"}, {EMAIL: ([("shop", PASSED, "pseudonym", 2, 0, 2)], [("ads", PASSED, "keep", 1, 4, 4)]),
                                NAME: ([("shop", PASSED, "keep", 1, 0, 0)], [])}),
        ({"data_class": "contact"}, {EMAIL: ([("shop", PASSED, "pseudonym", 2, 0, 2)],
                                             [("mailer", PASSED, "keep", 2, 1, 3), ("ads", PASSED, "keep", 1, 4, 4)])}),
        ({"since": at(3), "data_class": "user.contact.email"},
         {EMAIL: ([("shop", PASSED, "pseudonym", 2, 0, 2)],
                  [("mailer", PASSED, "keep", 1, 3, 3), ("ads", PASSED, "keep", 1, 4, 4)])}),
        ({"of": 2}, {EMAIL: ([("shop", PASSED, "pseudonym", 1, 2, 2)],
                             [("mailer", PASSED, "keep", 1, 3, 3), ("ads", PASSED, "keep", 1, 4, 4)])}),
        ({"of": 1}, {EMAIL: ([("shop", PASSED, "pseudonym", 1, 0, 0)], [("mailer", PASSED, "keep", 1, 1, 1)])}),
        ({"of": 3}, {EMAIL: ([("shop", PASSED, "pseudonym", 2, 0, 2)], [("mailer", PASSED, "keep", 1, 3, 3)]),
                     NAME: ([("shop", PASSED, "keep", 1, 0, 0)], [("mailer", PASSED, "keep", 1, 3, 3)])}),
    ],
)  # fmt: skip
def test_only_what_is_asked_for(wanted, expected):
    entries = log(*HISTORY)
    if "of" in wanted:
        wanted = wanted | {"of": entries[::-1][wanted["of"]]}
    assert told(trace(entries, ANN, Wanted(**wanted))) == expected


records = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["collect", "disclose", "refuse", "consent", "count", 7]),
        "recipient": st.sampled_from(["shop", "mailer", None, 7]),
        "direction": st.sampled_from(["request", "response", None]),
        "caller": st.sampled_from(["application:crm", "anonymous", f"token:{ANN}", None]),
        "mode": st.sampled_from(["enforce", "observe"]),
        "reason": st.sampled_from([None, "withdrawn"]),
        "consent": st.sampled_from([None, [], ["01A"], ["01A", 7], "01A"]),
        "event": st.just("01A"),
        "purpose": st.just("ads"),
        "fields": st.one_of(
            st.none(),
            st.lists(
                st.fixed_dictionaries(
                    {
                        "class": st.sampled_from([EMAIL, NAME, None, 7]),
                        "action": st.sampled_from(["keep", "drop", "pseudonym", "pass", None]),
                        "purpose": st.sampled_from(["ads", "service", None]),
                        "basis": st.sampled_from(["consent", "contract", None]),
                        "count": st.sampled_from([0, 1, 5, None]),
                        "address": st.sampled_from(["$.a", "html:ads", None]),
                    }
                ),
                max_size=3,
            ),
        ),
    }
)


@given(st.lists(records, max_size=12), st.randoms(use_true_random=False))
def test_each_record_of_each_class_is_in_one_flow_in_whatever_order_they_come(history, chance):
    entries = log(*history)
    shuffled = entries[:]
    chance.shuffle(shuffled)
    found = trace(entries, ANN)
    assert trace(shuffled, ANN) == found
    values = sum(flow.values for each in found.classes for flow in (*each.collected, *each.went))
    told_of = [entry.record for entry in entries if entry.record["kind"] in ("collect", "disclose", "refuse")]
    listed = [each for record in told_of for each in record["fields"] or () if isinstance(each["class"], str)]
    passed = [each for record in told_of for each in record["fields"] or ()
              if not isinstance(each["class"], str) and record["kind"] != "refuse"
              and (each["action"] != "drop" or record["mode"] == "observe")]  # fmt: skip
    assert values == sum(each["count"] or 0 for each in (*listed, *passed))
    assert found.records == len(told_of)
    for each in found.classes:
        keys = [flow.key for flow in (*each.collected, *each.went)]
        assert len(keys) == len(set(keys))
    assert msgspec.json.decode(msgspec.json.encode(found))["subject"] == ANN


def test_however_many_records_take_as_much_memory_as_there_are_ways():
    number = count()
    chance = random.Random(7)

    def endless():
        for index in range(20_000, 0, -1):
            next(number)
            record = sent(field(), recipient=chance.choice(["mailer", "ads"])) if index % 2 else {"fields": [field()]}
            yield log(record)[0]

    [each] = trace(endless(), ANN).classes
    assert next(number) == 20_000
    assert (len(each.collected), len(each.went)) == (1, 2)
    assert sum(flow.records for flow in (*each.collected, *each.went)) == 20_000
