"""The order of decision, over all combinations, against a reference that is written another way."""

from itertools import product

import pytest

from gateway.model.facts import Consent, Facts, SubjectState
from gateway.model.words import Basis, ConsentStatus, Reason, Role
from gateway.policy.decide import permitted, standing
from gateway.policy.policy import Purpose, Recipient

PERSON = "s1.person"
STATUSES = [None, *ConsentStatus]


def reference(basis, sale, gpc, person, parent, general, specific):
    """Read top to bottom: the first line that applies decides."""
    statuses = [each for each in (parent, general, specific) if each is not None] if person else []
    ladder = [
        (ConsentStatus.RESTRICTED in statuses, Reason.RESTRICTED),
        (ConsentStatus.WITHDRAWN in statuses, Reason.WITHDRAWN),
        (ConsentStatus.REFUSED in statuses, Reason.NO_CONSENT),
        (ConsentStatus.OBJECTED in statuses, Reason.OBJECTED),
        (gpc and sale, Reason.GPC),
        (basis not in ("consent", "explicit_consent"), Reason.LISTED),
        (not person, Reason.UNRESOLVED_SUBJECT),
        (ConsentStatus.GIVEN in (general, specific), Reason.LISTED),
        (ConsentStatus.EXPIRED in (general, specific), Reason.EXPIRED_CONSENT),
        (True, Reason.NO_CONSENT),
    ]
    return next(reason for applies, reason in ladder if applies)


def facts_with(person, parent, general, specific, *, gpc=False, valid_until=None):
    if not person:
        return Facts(now=1000.0, gpc=gpc)
    given = {("ads", "*"): parent, ("ads.targeted", "*"): general, ("ads.targeted", "mailer"): specific}
    state = {key: Consent(*key, status, "e-" + "-".join(key), valid_until) for key, status in given.items() if status}
    return Facts(now=1000.0, subject=PERSON, state=SubjectState(state), gpc=gpc)


@pytest.mark.parametrize("basis", list(Basis))
def test_every_combination_agrees_with_the_reference(basis):
    checked = 0
    for sale, gpc, person in product((False, True), repeat=3):
        purpose = Purpose("ads.targeted", basis, sale_or_share=sale)
        for parent, general, specific in product(STATUSES, repeat=3):
            facts = facts_with(person, parent, general, specific, gpc=gpc)
            expected = reference(basis, sale, gpc, person, parent, general, specific)
            assert standing(purpose, "mailer", facts).reason is expected, (sale, gpc, person, parent, general, specific)
            checked += 1
    assert checked == 8 * len(STATUSES) ** 3


def test_consent_for_one_recipient_says_nothing_about_another():
    purpose = Purpose("ads.targeted", Basis.CONSENT)
    facts = facts_with(True, None, None, ConsentStatus.GIVEN)

    assert standing(purpose, "mailer", facts).allows
    assert standing(purpose, "other", facts).reason is Reason.NO_CONSENT


def test_a_grant_of_the_parent_purpose_is_no_grant_of_the_child():
    purpose = Purpose("ads.targeted", Basis.CONSENT)

    assert standing(purpose, "mailer", facts_with(True, ConsentStatus.GIVEN, None, None)).reason is Reason.NO_CONSENT


@pytest.mark.parametrize(("valid_until", "expected"), [(999.0, Reason.EXPIRED_CONSENT), (1001.0, Reason.LISTED)])
def test_consent_ends_at_its_time(valid_until, expected):
    facts = facts_with(True, None, ConsentStatus.GIVEN, None, valid_until=valid_until)

    assert standing(Purpose("ads.targeted", Basis.CONSENT), "mailer", facts).reason is expected


def test_a_restriction_of_everything_restricts_each_purpose():
    state = SubjectState({("*", "*"): Consent("*", "*", ConsentStatus.RESTRICTED, "e")})
    facts = Facts(now=0.0, subject=PERSON, state=state)

    assert standing(Purpose("service", Basis.CONTRACT), "shop", facts).reason is Reason.RESTRICTED


def test_the_event_relied_on_is_named():
    found = standing(
        Purpose("ads.targeted", Basis.CONSENT), "mailer", facts_with(True, None, None, ConsentStatus.GIVEN)
    )

    assert found.event == "e-ads.targeted-mailer"


@pytest.mark.parametrize(
    ("may_receive", "data_class", "purpose", "expected"),
    [
        (None, "user.name", "ads", True),
        ({"user.contact.email": ("service",)}, "user.contact.email", "service", True),
        ({"user.contact.email": ("service",)}, "user.contact.email", "ads", False),
        ({"user.contact": ("service",)}, "user.contact.email", "service", True),
        ({"user.contact.email": ("service",)}, "user.contact", "service", False),
        ({}, "user.name", "service", False),
    ],
)
def test_what_a_recipient_may_receive(may_receive, data_class, purpose, expected):
    assert permitted(Recipient("mailer", Role.PROCESSOR, may_receive=may_receive), data_class, purpose) is expected
