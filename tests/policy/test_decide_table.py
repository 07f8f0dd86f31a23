"""The order of decision over all combinations, against a reference that is written from DESIGN 6 alone.

DESIGN 6: restriction > withdrawal or refusal > objection (DNT where configured) > GPC (purposes with
`sale_or_share`) > consent for this recipient > broader consent > declared non-consent basis > deny. What a client
carries (TCF, GPP, cookies) can narrow, never widen.
"""

from itertools import product

import pytest

from gateway.model.facts import Consent, Facts, SubjectState
from gateway.model.words import Basis, ConsentScope
from gateway.model.words import ConsentStatus as S
from gateway.policy.decide import standing
from gateway.policy.policy import Purpose

NOW = 1000.0
VALIDITIES = {"endless": None, "not over": NOW + 0.5, "over just now": NOW, "long over": 1.0}
SAID = [
    None,
    *((status, "endless") for status in S if not status.allows),
    *product((S.GIVEN, S.RENEWED), VALIDITIES),
]
"""What the store may hold for one purpose and recipient: nothing, or a status and for how long it is valid."""

REFUSING = {
    "restricted": ["restricted"],
    "withdrawn": ["withdrawn", "revoked"],
    "no_consent": ["refused", "invalidated"],
    "objected": ["objected"],
}
"""In the order in which they count, by reason: what was revoked was ended, what is invalid never was."""


SIGNALS = [
    dict(zip(("gpc", "dnt", "opted_out", "denied"), each, strict=True))
    for each in product((False, True), (False, True), (False, True), (None, "any", "recipient", "parent", "other"))
]
"""What a client may carry; `denied` is for whom its TC string holds no consent."""


def reference(purpose, signals, person, said):
    """(reason, where the event relied on stands) of `said`: what was said where, the narrowest place first."""
    words = {place: (str(each[0]), VALIDITIES[each[1]]) for place, each in said.items() if each is not None}
    for reason, denials in REFUSING.items():
        for denial, place in product(denials, words):
            if words[place][0] == denial:
                return reason, place
    objects = (
        signals["dnt"] and purpose.basis == "legitimate_interest",
        signals["opted_out"] and purpose.sale_or_share,
    )
    if any(objects):
        return "objected", None
    if signals["gpc"] and purpose.sale_or_share:
        return "gpc", None
    if "consent" not in purpose.basis.value:
        return "listed", None
    if not person:
        return "unresolved_subject", None
    reason, event = consented(purpose, words)
    if reason == "listed" and signals["denied"] in ("any", "recipient", "parent"):
        return "no_consent", None
    return reason, event


def consented(purpose, words):
    places = [place for place in ("recipient", "any") if place in words]
    if purpose.consent_scope == "recipient":
        places = [place for place in places if place == "recipient"]
    given = [place for place in places if words[place][0] in ("given", "renewed")]
    alive = [place for place in given if words[place][1] is None or words[place][1] > NOW]
    if alive:
        return "listed", alive[0]
    lapsed = [place for place in places if place in given or words[place][0] == "expired"]
    return ("expired_consent", lapsed[0]) if lapsed else ("no_consent", None)


KEYS = {
    "recipient": ("ads.mail.weekly", "mailer"),
    "any": ("ads.mail.weekly", "*"),
    "parent for the recipient": ("ads.mail", "mailer"),
    "parent": ("ads.mail", "*"),
    "grandparent": ("ads", "*"),
    "everything": ("*", "*"),
    "sibling": ("ads.mail.daily", "mailer"),
    "another recipient": ("ads.mail.weekly", "other"),
}
SILENT = ("sibling", "another recipient")


DENIED = {
    None: frozenset(),
    "any": {("ads.mail.weekly", "*")},
    "recipient": {("ads.mail.weekly", "mailer"), ("service", "*")},
    "parent": {("ads", "mailer")},
    "other": {("ads.mail.weekly", "other"), ("ads.mail.daily", "*"), ("service", "mailer")},
}
SILENT_SIGNALS = SIGNALS[0]
ONE_SIGNAL = [each for each in SIGNALS if sum(map(bool, each.values())) <= 1]


def decided(purpose, signals, person, said):
    consents = {
        KEYS[place]: Consent(*KEYS[place], each[0], place, VALIDITIES[each[1]]) for place, each in said.items() if each
    }
    carried = signals | {"denied": frozenset(DENIED[signals["denied"]])}
    facts = Facts(now=NOW, subject="s1.person" if person else None, state=SubjectState(consents), **carried)
    found = standing(purpose, "mailer", facts)
    return str(found.reason), found.event or None


def same_rank(expected, found, said):
    """Of several denials of one rank, any may be named."""
    return expected == found or (expected[0] == found[0] and said.get(expected[1]) == said.get(found[1]) is not None)


@pytest.mark.parametrize("basis", list(Basis))
@pytest.mark.parametrize("scope", list(ConsentScope))
def test_every_combination_agrees_with_the_reference(basis, scope):
    checked = 0
    for sale, signals in product((False, True), ONE_SIGNAL):
        purpose = Purpose("ads.mail.weekly", basis, sale_or_share=sale, consent_scope=scope)
        for specific, general, parent in product(SAID, repeat=3):
            said = {"recipient": specific, "any": general, "parent": parent}
            expected, found = reference(purpose, signals, True, said), decided(purpose, signals, True, said)
            assert same_rank(expected, found, said), (sale, signals, said, expected, found)
            checked += 1
        assert reference(purpose, signals, False, {}) == decided(purpose, signals, False, {})
    assert checked == 2 * len(ONE_SIGNAL) * len(SAID) ** 3


@pytest.mark.parametrize("basis", list(Basis))
def test_every_combination_of_signals_agrees_with_the_reference(basis):
    for sale, scope, signals in product((False, True), ConsentScope, SIGNALS):
        purpose = Purpose("ads.mail.weekly", basis, sale_or_share=sale, consent_scope=scope)
        for specific, general in product(SAID, repeat=2):
            said = {"recipient": specific, "any": general}
            expected, found = reference(purpose, signals, True, said), decided(purpose, signals, True, said)
            assert same_rank(expected, found, said), (sale, signals, said, expected, found)
        assert reference(purpose, signals, False, {}) == decided(purpose, signals, False, {})


@pytest.mark.parametrize("basis", list(Basis))
def test_no_signal_ever_lets_anything_pass(basis):
    for sale, signals, person in product((False, True), SIGNALS, (False, True)):
        purpose = Purpose("ads.mail.weekly", basis, sale_or_share=sale)
        for specific in SAID:
            said = {"recipient": specific}
            if decided(purpose, SILENT_SIGNALS, person, said)[0] != "listed":
                assert decided(purpose, signals, person, said)[0] != "listed", (sale, signals, said)


@pytest.mark.parametrize("basis", [Basis.CONSENT, Basis.CONTRACT])
@pytest.mark.parametrize("place", [place for place in KEYS if place not in ("recipient", "any", "parent")])
def test_every_other_place_agrees_with_the_reference(basis, place):
    for gpc, scope in product((SILENT_SIGNALS, SILENT_SIGNALS | {"gpc": True}), ConsentScope):
        purpose = Purpose("ads.mail.weekly", basis, sale_or_share=True, consent_scope=scope)
        for elsewhere, specific in product(SAID, repeat=2):
            said = {"recipient": specific, place: elsewhere}
            expected = reference(purpose, gpc, True, {"recipient": specific} if place in SILENT else said)
            found = decided(purpose, gpc, True, said)
            assert same_rank(expected, found, said), (gpc, said, expected, found)


def test_the_reference_knows_every_status():
    spoken = {word for words in REFUSING.values() for word in words}

    assert {str(status) for status in S} - spoken == {"unknown", "given", "renewed", "expired", "unrestricted"}
