"""What became of a legal request, folded from its events; and until when it is secret."""

import msgspec
import pytest
from legal import filed

from gateway.model.words import LegalStatus
from gateway.stores.legal_request import NOT_SECRET, UNTIL_LIFTED, LegalEvent, fold_requests, is_secret, new_request_id

S = LegalStatus
REQUEST = filed(id="A-2026-AAAAAA", secret_until="2027-04-01T00:00:00.000000Z")


def events(*statuses):
    said = []
    for number, each in enumerate(statuses):
        status, until = each if isinstance(each, tuple) else (each, None)
        said.append(
            LegalEvent(
                id=str(number), request=REQUEST.id, status=status, at="2026-11-24T00:00:00.000000Z", by="ina",
                secret_until=until, filed=REQUEST if status is S.REGISTERED else None,
            )
        )  # fmt: skip
    return said


@pytest.mark.parametrize(
    ("steps", "status", "is_open"),
    [
        ([], S.REGISTERED, True),
        ([S.APPROVED], S.APPROVED, True),
        ([S.REJECTED], S.REJECTED, False),
        ([S.APPROVED, S.PRODUCED], S.PRODUCED, False),
        ([S.APPROVED, S.PRODUCED, S.FAILED], S.APPROVED, True),
        ([S.APPROVED, S.PRODUCED, S.PRODUCED, S.FAILED], S.PRODUCED, False),
        ([S.APPROVED, S.HOLD_OVERRIDDEN], S.APPROVED, True),
        ([(S.SECRECY_LIFTED, NOT_SECRET)], S.REGISTERED, True),
    ],
)
def test_a_request_is_what_its_last_decision_made_it(steps, status, is_open):
    standing = fold_requests(events(S.REGISTERED, *steps))[REQUEST.id]

    assert (standing.status, standing.is_open, standing.filed) == (status, is_open, REQUEST)
    assert len(standing.events) == 1 + len(steps)


@pytest.mark.parametrize(
    ("steps", "until"),
    [
        ([], REQUEST.secret_until),
        ([(S.SECRECY_EXTENDED, UNTIL_LIFTED)], UNTIL_LIFTED),
        ([(S.SECRECY_EXTENDED, UNTIL_LIFTED), (S.SECRECY_LIFTED, NOT_SECRET)], NOT_SECRET),
        ([(S.SECRECY_LIFTED, NOT_SECRET), (S.SECRECY_EXTENDED, UNTIL_LIFTED)], UNTIL_LIFTED),
        ([S.APPROVED, S.PRODUCED], REQUEST.secret_until),
    ],
)
def test_secrecy_is_what_was_last_said_of_it(steps, until):
    assert fold_requests(events(S.REGISTERED, *steps))[REQUEST.id].secret_until == until


@pytest.mark.parametrize(
    ("until", "now", "secret"),
    [
        (NOT_SECRET, "2026-11-24T00:00:00.000000Z", False),
        (UNTIL_LIFTED, "9999-12-31T23:59:59.999999Z", True),
        ("2027-04-01T00:00:00.000000Z", "2027-03-31T23:59:59.999999Z", True),
        ("2027-04-01T00:00:00.000000Z", "2027-04-01T00:00:00.000000Z", False),
    ],
)
def test_the_end_is_the_first_moment_that_is_not_secret(until, now, secret):
    assert is_secret(until, now) is secret


def test_requests_are_told_apart_and_keep_their_order():
    other = msgspec.structs.replace(REQUEST, id="A-2026-000000")
    first = LegalEvent(id="x", request=other.id, status=S.REGISTERED, at="", by="ina", filed=other)

    assert list(fold_requests([*events(S.REGISTERED, S.APPROVED), first])) == [REQUEST.id, other.id]


def test_an_id_says_the_year_and_nothing_else():
    ids = {new_request_id("2026") for _ in range(50)}

    assert len(ids) == 50
    assert all(each.startswith("A-2026-") and len(each) == 13 for each in ids)
