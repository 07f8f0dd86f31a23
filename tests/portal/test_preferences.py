"""What can be decided, how it stands, and which events a selection makes. Pure."""

import itertools

import pytest
from rulebook import NOW, TODAY

from gateway.model.facts import Facts
from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy
from gateway.policy.decide import standing
from gateway.policy.uses import uses_of
from gateway.portal.choices import choices_of, left_over, select_all
from gateway.portal.preference_cards import card_of
from gateway.portal.preferences import Kind, preferences_of
from gateway.portal.texts import WORDS
from gateway.stores.event import MICROSECONDS, ConsentEvent, new_event_id
from gateway.stores.fold import fold

RULES = """
version: 1
controller: {name: Example GmbH, contact: a@b.example}
purposes:
  ads.mail: {basis: consent, title: Mail}
  service: {basis: contract}
  ads: {basis: consent, sale_or_share: true, title: Ads}
  fraud: {basis: legitimate_interest, title: Fraud}
  sale: {basis: contract, sale_or_share: true}
  partners: {basis: explicit_consent, consent_scope: recipient, title: {en: Partners, de: Partner}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  net: {role: partner, contract: {ref: A}, may_receive: {contact.email: [ads, partners], device: ads}, title: Net Inc.}
  mailer: {role: processor, contract: {ref: B}, may_receive: {contact.email: [ads, partners]}}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request:
      fields:
        $.a: {is: contact.email, for: service}
        $.b: {is: contact.email, for: ads, otherwise: drop}
        $.c: {is: contact.email, for: ads.mail, otherwise: drop}
        $.d: {is: contact.email, for: fraud}
        $.e: {is: contact.email, for: sale}
    response: {fields: {$.f: {is: name, for: service}}}
"""
POLICY = load_policy({"r.yaml": RULES}, today=TODAY)
SUBJECT = "s1." + "A" * 22
START = int(NOW) * MICROSECONDS - 10_000_000
UNTIL = int(NOW + 1000) * MICROSECONDS
ANSWERS = (None, ConsentStatus.GIVEN, ConsentStatus.REFUSED, ConsentStatus.WITHDRAWN, ConsentStatus.UNKNOWN)


def event(purpose, status, recipient="*", *, at=0, until=None):
    at += START
    return ConsentEvent(
        id=new_event_id(at), subject=SUBJECT, purpose=purpose, status=status, recipient=recipient, at=at,
        method="portal", valid_until=until,
    )  # fmt: skip


def facts_of(history, **more):
    return Facts(NOW, SUBJECT, fold(history), **more)


def items(*history, **more):
    return {
        preference.purpose.name: preference for preference in preferences_of(POLICY, history, facts_of(history, **more))
    }


def after(history, choices):
    new = [event(each.purpose, each.status, each.recipient, at=9, until=each.valid_until) for each in choices]
    return [*history, *new]


def test_uses_follow_from_routes_and_declarations():
    found = {name: {use.recipient.name: use.classes for use in uses} for name, uses in uses_of(POLICY).items()}
    email, device = ("user.contact.email",), ("user.contact.email", "user.device")
    assert found == {
        "ads.mail": {"shop": email},
        "service": {"shop": email},
        "ads": {"shop": email, "net": device, "mailer": email},
        "fraud": {"shop": email},
        "sale": {"shop": email},
        "partners": {"net": email, "mailer": email},
    }


def test_each_purpose_is_of_its_kind_and_stands_behind_what_it_is_part_of():
    found = items()
    assert list(found) == ["ads", "ads.mail", "service", "fraud", "sale", "partners"]
    assert {name: preference.kind for name, preference in found.items()} == {
        "ads": Kind.CONSENT, "ads.mail": Kind.CONSENT, "service": Kind.FIXED, "fraud": Kind.OBJECTION,
        "sale": Kind.OBJECTION, "partners": Kind.CONSENT,
    }  # fmt: skip
    assert found["ads.mail"].parent == "ads"
    assert [each.recipient for each in found["ads"].each] == ["net", "mailer"]
    assert found["ads.mail"].each == ()
    assert found["partners"].separate
    assert [each.recipient for each in found["partners"].each] == ["net", "mailer"]


def test_nothing_is_answered_for_anybody():
    assert all(each.answer is None for preference in items().values() for each in (preference.whole, *preference.each))


def test_an_answer_that_has_ended_is_none():
    ended = event("ads", ConsentStatus.GIVEN, until=int(NOW) * MICROSECONDS - 1)
    whole = items(ended)["ads"].whole
    assert (whole.answer, whole.ended, whole.event) == (None, True, ended)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("history", list(itertools.product(ANSWERS, repeat=3)))
def test_everything_at_once_comes_true_whatever_was_said_before(history, wanted):
    """Of all kinds of earlier answers: for any, for one recipient, and where each needs its own."""
    keys = (("ads", "*"), ("ads", "net"), ("partners", "net"))
    events = [event(*key[:1], status, key[1]) for key, status in zip(keys, history, strict=True) if status is not None]
    before = preferences_of(POLICY, events, facts_of(events))
    choices = choices_of(before, select_all(before, wanted), until=UNTIL, renew=wanted)
    facts = facts_of(after(events, choices))
    for purpose, recipients in (("ads", ("*", "net", "mailer")), ("partners", ("net", "mailer")), ("ads.mail", ("*",))):
        for recipient in recipients:
            assert standing(POLICY.purposes[purpose], recipient, facts).allows is wanted
    assert standing(POLICY.purposes["fraud"], "shop", facts).allows
    if not wanted:
        assert all(choice.status.narrows for choice in choices)
        now = after(events, choices)
        assert choices_of(preferences_of(POLICY, now, facts), select_all(before, False), until=None) == []


@pytest.mark.parametrize("history", list(itertools.product(ANSWERS, repeat=2)))
@pytest.mark.parametrize("wanted", [True, False])
def test_one_recipient_of_those_that_are_asked_apart(history, wanted):
    keys = (("partners", "*"), ("partners", "net"))
    events = [event(key[0], status, key[1]) for key, status in zip(keys, history, strict=True) if status is not None]
    before = preferences_of(POLICY, events, facts_of(events))
    choices = choices_of(before, {("partners", "net"): wanted}, until=UNTIL)
    facts = facts_of(after(events, choices))
    assert standing(POLICY.purposes["partners"], "net", facts).allows is wanted
    assert not standing(POLICY.purposes["partners"], "mailer", facts).allows


def test_an_exception_is_made_and_lifted():
    events = after([], choices_of(list(items().values()), {("ads", "*"): True, ("ads", "net"): False}, until=UNTIL))
    ads = POLICY.purposes["ads"]
    assert [standing(ads, name, facts_of(events)).allows for name in ("shop", "mailer", "net")] == [True, True, False]
    (choice,) = choices_of(list(items(*events).values()), {("ads", "net"): True}, until=UNTIL)
    assert (choice.status, choice.valid_until) == (ConsentStatus.UNKNOWN, None)
    events.append(event("ads", ConsentStatus.UNKNOWN, "net", at=20))
    assert standing(ads, "net", facts_of(events)).allows


def test_an_objection_is_made_and_taken_back():
    events = after([], choices_of(list(items().values()), {("fraud", "*"): False}, until=None))
    assert [str(each.status) for each in events] == ["objected"]
    assert not standing(POLICY.purposes["fraud"], "shop", facts_of(events)).allows
    (choice,) = choices_of(list(items(*events).values()), {("fraud", "*"): True}, until=UNTIL)
    assert choice.status is ConsentStatus.UNKNOWN


def test_what_changes_nothing_is_no_event():
    events = [event("ads", ConsentStatus.GIVEN, until=UNTIL), event("partners", ConsentStatus.REFUSED, "net")]
    same = {("ads", "*"): True, ("partners", "net"): False, ("fraud", "*"): True}
    assert choices_of(list(items(*events).values()), same, until=UNTIL) == []
    (again,) = choices_of(list(items(*events).values()), {("ads", "*"): True}, until=UNTIL, renew=True)
    assert again.status is ConsentStatus.RENEWED


def test_consent_to_what_the_rules_forgot_is_withdrawn_too():
    events = [
        event("old", ConsentStatus.GIVEN),
        event("older", ConsentStatus.REFUSED),
        event("ads", ConsentStatus.GIVEN),
    ]
    found = left_over(list(items(*events).values()), events)
    assert [(each.purpose, each.status) for each in found] == [("old", ConsentStatus.WITHDRAWN)]


def test_nobody_consents_to_all_at_once_where_each_is_asked_apart():
    preferences = list(items(event("partners", ConsentStatus.GIVEN)).values())
    with pytest.raises(KeyError):
        choices_of(preferences, {("partners", "*"): True}, until=UNTIL)
    (choice,) = choices_of(preferences, {("partners", "*"): False}, until=None)
    assert choice.status is ConsentStatus.WITHDRAWN


@pytest.mark.parametrize("key", [("service", "*"), ("none", "*"), ("ads", "shop"), ("fraud", "net")])
def test_nobody_can_answer_what_was_not_asked(key):
    with pytest.raises(KeyError):
        choices_of(list(items().values()), {key: False}, until=None)


@pytest.mark.parametrize(
    ("history", "more", "look", "said"),
    [
        ([], {}, "open", ()),
        ([event("ads", ConsentStatus.GIVEN, until=UNTIL)], {}, "on", ("since", "until")),
        ([event("ads", ConsentStatus.REFUSED)], {}, "off", ("since",)),
        ([event("ads", ConsentStatus.GIVEN, until=START + 5)], {}, "off", ("ended on",)),
        (
            [event("ads", ConsentStatus.GIVEN)],
            {"opted_out": True},
            "off",
            ("because your browser says no", "you agreed"),
        ),
        (
            [event("ads", ConsentStatus.GIVEN)],
            {"denied": frozenset({("ads", "*")})},
            "off",
            ("because your browser says no", "you agreed"),
        ),
        ([event("ads", ConsentStatus.GIVEN)], {"gpc": True}, "off", ("because your browser", "you agreed")),
        (
            [event("ads", ConsentStatus.GIVEN), event("ads", ConsentStatus.RESTRICTED)],
            {},
            "off",
            ("restricted", "agreed"),
        ),
        (
            [event("ads", ConsentStatus.GIVEN), event("ads", ConsentStatus.REFUSED, "net")],
            {},
            "on",
            ("without Net Inc.",),
        ),
    ],
)
def test_a_card_says_how_it_stands_and_why(history, more, look, said):
    card = card_of(items(*history, **more)["ads"], POLICY, WORDS["en"])
    assert card.state.look == look
    for text in said:
        assert any(text in note for note in card.state.notes), card.state.notes


def test_a_part_is_off_with_the_whole():
    history = [event("ads", ConsentStatus.REFUSED), event("ads.mail", ConsentStatus.GIVEN)]
    card = card_of(items(*history)["ads.mail"], POLICY, WORDS["de"])
    assert (card.parent, card.state.look, card.answer) == ("Ads", "off", True)
