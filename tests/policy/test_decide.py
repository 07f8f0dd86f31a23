"""Judging one purpose, and what a recipient may receive. All combinations: test_decide_table.py."""

import pytest

from gateway.model.facts import Consent, Facts, SubjectState
from gateway.model.words import Basis, ConsentScope, ConsentStatus, Reason, Role
from gateway.policy.decide import permitted, standing
from gateway.policy.policy import Purpose, Recipient

PERSON = "s1.person"


def facts_with(person, parent, general, specific, *, gpc=False, valid_until=None):
    if not person:
        return Facts(now=1000.0, gpc=gpc)
    given = {("ads", "*"): parent, ("ads.targeted", "*"): general, ("ads.targeted", "mailer"): specific}
    state = {key: Consent(*key, status, "e-" + "-".join(key), valid_until) for key, status in given.items() if status}
    return Facts(now=1000.0, subject=PERSON, state=SubjectState(state), gpc=gpc)


def test_consent_for_one_recipient_says_nothing_about_another():
    purpose = Purpose("ads.targeted", Basis.CONSENT)
    facts = facts_with(True, None, None, ConsentStatus.GIVEN)

    assert standing(purpose, "mailer", facts).allows
    assert standing(purpose, "other", facts).reason is Reason.NO_CONSENT


def test_under_a_scope_of_recipients_consent_for_any_is_consent_for_none():
    purpose = Purpose("ads.targeted", Basis.CONSENT, consent_scope=ConsentScope.RECIPIENT)

    assert standing(purpose, "mailer", facts_with(True, None, ConsentStatus.GIVEN, None)).reason is Reason.NO_CONSENT
    assert standing(purpose, "mailer", facts_with(True, None, None, ConsentStatus.GIVEN)).allows
    broad = facts_with(True, None, ConsentStatus.WITHDRAWN, ConsentStatus.GIVEN)
    assert standing(purpose, "mailer", broad).reason is Reason.WITHDRAWN


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
