"""Cutting to the scope: what a record keeps of itself, and what is counted of a person."""

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from legal import ANN, SALT, field, filed, traffic
from people import handle_of

from gateway.audit.index import Index
from gateway.audit.lines import timestamp
from gateway.policy.taxonomy import CLASSES
from gateway.runtime.production import Gatherer, given_record, within
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import CONSENTS, DISCLOSURES, NOTICES, Scope

ME, OTHER = "s1." + "a" * 21 + "A", "s1." + "b" * 21 + "A"
EMAIL, NAME, CITY = "user.contact.email", "user.name", "user.contact.address.city"
UNLISTED = {"action": "drop", "address": "body:*", "count": 2, "reason": "unlisted_field"}


def record(*fields, **more):
    return {"kind": "collect", "subject": ME, "caller": f"session:{ME}", "salt": SALT, "fields": list(fields)} | more


@pytest.mark.parametrize(
    ("fields", "classes", "kept"),
    [
        ([EMAIL, NAME], ["user"], [EMAIL, NAME]),
        ([EMAIL, NAME], ["user.contact"], [EMAIL]),
        ([EMAIL, CITY, NAME], ["user.contact.address", "user.name"], [CITY, NAME]),
        ([EMAIL, NAME], ["user.contact.phone_number"], None),
        ([EMAIL], ["user.contact.emails"], None),
        (["user.contacts"], ["user.contact"], None),
        (["system.operations"], ["user"], None),
        ([], ["user.contact"], None),
        ([], ["user"], []),
    ],
)
def test_fields_of_other_classes_are_left_out(fields, classes, kept):
    found = within(record(*map(field, fields)), classes)

    assert (None if found is None else [each["class"] for each in found["fields"]]) == kept


@pytest.mark.parametrize(("classes", "kept"), [(["user"], 2), (["user.contact"], 1)])
def test_what_no_rule_classified_is_asked_for_only_with_every_class(classes, kept):
    assert len(within(record(field(EMAIL), UNLISTED), classes)["fields"]) == kept


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "consent"},
        {"kind": "outcome"},
        {"kind": "heads"},
        {"kind": "disclose", "instrument": {"kind": "warrant", "reference": "x"}},
    ],
)
def test_records_of_other_kinds_and_what_another_authority_got_are_never_within(more):
    assert within(record(field(EMAIL), **more), ["user"]) is None


def test_whoever_else_called_is_left_out():
    assert within(record(field(EMAIL), caller=f"token:{OTHER}"), ["user"]) == {
        "kind": "collect", "subject": ME, "fields": [field(EMAIL)],
    }  # fmt: skip
    for caller in ("anonymous", f"token:{ME}", "application:shop"):
        assert within(record(field(EMAIL), caller=caller), ["user"]) == record(field(EMAIL), caller=caller)


def test_what_was_cut_gives_no_hold_for_guesses_at_the_rest():
    assert within(record(field(EMAIL)), ["user.contact"])["salt"] == SALT
    assert "salt" not in within(record(field(EMAIL), field(NAME)), ["user.contact"])


@given_any(
    st.lists(st.sampled_from([*CLASSES, None]), max_size=6),
    st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3),
    st.sampled_from([ME, OTHER]),
)
def test_p3_nothing_outside_the_scope_is_left_whatever_a_record_holds(classes, asked, caller):
    fields = [UNLISTED if name is None else field(name) for name in classes]
    original = record(*fields, caller=f"token:{caller}")
    found = within(original, asked)
    if found is None:
        return
    for each in found["fields"]:
        name = each.get("class", "user")
        assert any(name == one or name.startswith(one + ".") for one in asked)
    assert OTHER not in str(found)
    assert ("salt" in found) == (found == original)


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


def gathered(state, handle, scope, until=None):
    with Index.open(state / "audit") as index:
        gatherer = Gatherer(state, index, scope, until or timestamp())
        holding = gatherer.holding(handle)
        return holding, list(gatherer.pieces(holding))


def scope(*classes, **more):
    return Scope(what=(DISCLOSURES, CONSENTS, NOTICES), classes=classes or ("user",), **more)


def test_entries_are_counted_by_class(state):
    traffic(state, ANN, field(EMAIL, 7), field(NAME))
    traffic(state, ANN, field(EMAIL), UNLISTED)
    traffic(state, "bob", field(EMAIL))
    traffic(state, ANN, kind="refuse", reason="over_size")
    handle = handle_of(state, ANN)
    holding, pieces = gathered(state, handle, scope())

    assert dict(holding.tally) == {(DISCLOSURES, EMAIL): 2, (DISCLOSURES, NAME): 1, (DISCLOSURES, "user"): 2}
    assert holding.counts == {DISCLOSURES: 3, CONSENTS: 0, NOTICES: 0}
    assert [piece.whole for piece in pieces] == [True] * 3
    assert holding.policies == {"4ed70598ad5e6969"}
    assert gathered(state, handle, Scope(what=(CONSENTS,)))[0].is_empty


def test_only_the_time_that_is_asked_for(state):
    traffic(state, ANN, field(EMAIL))
    traffic(state, ANN, field(NAME))
    handle = handle_of(state, ANN)
    _, (newest, oldest) = gathered(state, handle, scope())
    first, second = oldest.entry.record["time"], newest.entry.record["time"]

    assert [len(gathered(state, handle, each)[1]) for each in (scope(since=second), scope(until=second))] == [1, 1]
    assert gathered(state, handle, scope(since=first, until=first))[0].is_empty
    assert len(gathered(state, handle, scope(), until=second)[1]) == 1


def test_what_comes_in_between_counting_and_writing_is_not_given(state):
    traffic(state, ANN, field(EMAIL))
    handle = handle_of(state, ANN)
    until = "2099-01-01T00:00:00.000000Z"
    with Index.open(state / "audit") as index:
        holding = Gatherer(state, index, scope(), until).holding(handle)
    traffic(state, ANN, field(NAME))
    with Index.open(state / "audit") as index:
        pieces = list(Gatherer(state, index, scope(), until).pieces(holding))

    assert [piece.entry.record["fields"][0]["class"] for piece in pieces] == [EMAIL]


def test_the_record_says_classes_and_counts_and_no_value(state):
    traffic(state, ANN, field(EMAIL, 7), field(NAME))
    holding, _ = gathered(state, handle_of(state, ANN), scope("user.contact"))
    request = filed()
    made = given_record(request, holding, "01KAS", "abc")
    again = given_record(request, holding, "01KAS", "abc")

    assert made.pop("salt") != again["salt"]
    assert made == {
        "counts": {DISCLOSURES: 1, CONSENTS: 0, NOTICES: 0},
        "event": "01KAS",
        "fields": [{"action": "keep", "address": "authority:disclosures", "basis": "legal_obligation",
                    "class": EMAIL, "count": 1, "purpose": "legal_obligation", "reason": "listed"}],
        "instrument": {"kind": "warrant", "reference": "Gs 12/26"},
        "kind": "disclose", "legal_basis": "StPO 94, 98", "mode": "enforce", "policy": "abc",
        "recipient": "police", "request": request.id, "subject": handle_of(state, ANN),
    }  # fmt: skip
