"""Records as a person is shown them: who received what, what for, and what was held back."""

import pytest

from gateway.audit.reading import Entry
from gateway.model.words import Role
from gateway.portal.disclosures import SUBJECT, disclosures_of, fields_of, summarise
from gateway.runtime.record_reader import Found

ANN, VISITOR, BOB = ("s1." + letter * 21 + "A" for letter in "abc")
ROLES = {"shop": Role.CONTROLLER, "mailer": Role.PROCESSOR, "ads": Role.PARTNER, "person": Role.SUBJECT}
EMAIL = {
    "action": "keep", "address": "$.email", "basis": "contract", "class": "user.contact.email", "count": 1,
    "purpose": "service", "reason": "listed",
}  # fmt: skip
NAME = EMAIL | {"address": "$.name", "class": "user.name", "count": 2}
HELD = EMAIL | {"action": "drop", "purpose": "ads", "basis": "consent", "reason": "no_consent"}
UNLISTED = {"action": "pass", "address": "body:*", "count": 3, "reason": "unlisted_field"}


def record(*fields, kind="collect", recipient="shop", **more):
    return {
        "kind": kind, "recipient": recipient, "subject": ANN, "caller": "anonymous", "direction": "request",
        "mode": "enforce", "time": "2026-11-23T13:00:00.000000Z", "fields": list(fields),
    } | more  # fmt: skip


def found(*records, **more):
    entries = [Entry("example.org/log/w0", "w0", n, f"{n:064x}", each) for n, each in enumerate(records)]
    return Found(entries, "2026-11-23T14:00:00.000000Z", **more)


def view(*records):
    return summarise(found(*records), {ANN, VISITOR}, ROLES)


def only(*records):
    [use] = view(*records).uses
    return use


def test_values_are_added_up_by_recipient_and_purpose():
    later = "2026-11-23T15:00:00.000000Z"
    shown = view(
        record(EMAIL, NAME),
        record(EMAIL, time=later),
        record(EMAIL, HELD, kind="disclose", recipient="mailer"),
    )
    shop, mailer, ads = shown.uses

    assert [(use.recipient, use.role, use.purpose) for use in shown.uses] == [
        ("mailer", "processor", "service"),
        ("shop", "controller", "service"),
        ("mailer", "processor", "ads"),
    ]
    assert mailer.passed == {"user.contact.email": 2, "user.name": 2}
    assert (mailer.messages, mailer.first[11:13], mailer.last[11:13]) == (2, "13", "15")
    assert (shop.passed, shop.bases, shop.actions) == ({"user.contact.email": 1}, ("contract",), ("keep",))
    assert (ads.passed, ads.withheld, ads.reasons) == ({}, {"user.contact.email": 1}, ("no_consent",))
    assert (ads.messages, shown.records, shown.refused) == (0, 3, 0)


@pytest.mark.parametrize("action", ["drop", "blank", "block"])
def test_what_was_not_passed_on_is_held_back(action):
    use = only(record(EMAIL | {"action": action}))

    assert (use.passed, use.withheld) == ({}, {"user.contact.email": 1})


@pytest.mark.parametrize("action", ["keep", "mask", "generalise", "hash", "pseudonym"])
def test_whatever_form_a_value_was_passed_on_in_counts_as_passed(action):
    use = only(record(EMAIL | {"action": action}))

    assert (use.passed, use.withheld, use.actions) == ({"user.contact.email": 1}, {}, (action,))


def test_of_a_refused_message_nothing_passed():
    shown = view(record(EMAIL, HELD, kind="refuse", reason="consent_store_down"))
    by_purpose = {use.purpose: use for use in shown.uses}

    assert shown.refused == 1
    assert all(not use.passed for use in shown.uses)
    assert by_purpose["service"].reasons == ("stopped",)
    assert by_purpose["ads"].reasons == ("no_consent",)


def test_what_was_only_observed_passed_untouched():
    use = only(record(HELD, mode="observe"))

    assert (use.passed, use.actions) == ({"user.contact.email": 1}, ("keep",))


def test_a_refusal_while_observing_passed_nothing():
    assert only(record(EMAIL, mode="observe", kind="refuse")).passed == {}


@pytest.mark.parametrize(
    ("changes", "recipient"),
    [
        ({"caller": f"token:{ANN}"}, SUBJECT),
        ({"caller": f"visitor:{VISITOR}"}, SUBJECT),
        ({"caller": f"token:{BOB}"}, "caller"),
        ({"caller": "anonymous"}, "caller"),
        ({"caller": f"token:{ANN}", "direction": "request"}, "caller"),
        ({"recipient": "person"}, SUBJECT),
        ({"recipient": "subject"}, SUBJECT),
    ],
)
def test_what_the_person_asked_for_went_to_the_person(changes, recipient):
    use = only(record(EMAIL, kind="disclose", **{"recipient": "caller", "direction": "response", **changes}))

    assert (use.recipient, use.role == "subject") == (recipient, recipient == SUBJECT)


def test_a_recipient_that_is_only_called_subject_is_none():
    roles = ROLES | {"subject": Role.PARTNER}
    [field] = fields_of(record(EMAIL, kind="disclose", recipient="subject"), {ANN}, roles)

    assert (field.recipient, field.flow) == ("subject", "disclosed")
    [use] = summarise(found(record(EMAIL, kind="disclose", recipient="subject")), {ANN}, roles).uses
    assert use.role == "partner"


def test_what_a_page_embeds_reaches_whom_it_names():
    page = record(
        EMAIL | {"address": "html:ads", "class": "user.device", "purpose": "ads"},
        EMAIL | {"address": "html:nobody"},
        kind="disclose",
        recipient="caller",
        direction="response",
        caller=f"token:{ANN}",
    )

    assert [(use.recipient, use.role) for use in view(page).uses] == [
        (SUBJECT, "subject"),
        ("ads", "partner"),
    ]
    assert [field.flow for field in fields_of(page, {ANN}, ROLES)] == ["disclosed", "returned"]


def test_values_that_no_rule_lists_are_counted_where_they_passed():
    shown = view(record(UNLISTED, EMAIL), record(UNLISTED | {"action": "drop"}, EMAIL))

    assert shown.unlisted == 3
    assert [use.purpose for use in shown.uses] == ["service"]


def test_flows_make_the_plot():
    shown = view(
        record(EMAIL),
        record(NAME, kind="disclose", recipient="mailer"),
        record(EMAIL, kind="disclose", recipient="person"),
        record(HELD),
    )
    [period] = shown.periods

    assert period.counts == {"collected": 1, "disclosed": 2, "returned": 1, "withheld": 1}


def test_looks_at_ones_own_records_are_told_and_not_drawn():
    own = EMAIL | {"address": "own:records", "class": "user.privacy_preferences", "purpose": "rights", "count": 99}
    shown = view(record(own, kind="disclose", recipient="subject", direction="response"), record(EMAIL))

    assert [(use.recipient, use.purpose) for use in shown.uses] == [(SUBJECT, "rights"), ("shop", "service")]
    assert shown.periods[0].counts == {"collected": 1, "disclosed": 0, "returned": 0, "withheld": 0}


def test_other_kinds_than_traffic_are_passed_over():
    shown = view({"kind": "consent", "purpose": "ads", "subject": ANN}, {"kind": "open"})

    assert (shown.uses, shown.periods, shown.records) == ((), (), 0)


def test_bounds_and_time_are_handed_on():
    shown = summarise(found(record(EMAIL), complete=False), {ANN}, ROLES, since="2026-11-01", until="2026-12-01")

    assert (shown.complete, shown.as_of[:13], shown.since, shown.until) == (
        False, "2026-11-23T14", "2026-11-01", "2026-12-01",
    )  # fmt: skip


async def test_a_reader_is_asked_for_the_handles():
    class Reader:
        async def find(self, handles, *, since, until):
            assert (sorted(handles), since, until) == ([ANN, VISITOR], "2026-11-01", "")
            return found(record(EMAIL))

    shown = await disclosures_of(Reader(), {ANN, VISITOR}, ROLES, since="2026-11-01")

    assert (shown.records, shown.since) == (1, "2026-11-01")
