"""Names of rules in the words of DPV: every class, basis and role has one, and the nearest one counts."""

import pytest

from gateway.model.words import Basis, Role
from gateway.policy.dpv_terms import (
    BASES,
    ROLES,
    class_term,
    is_under_gdpr,
    jurisdiction_term,
    legal_basis_terms,
    purpose_term,
    rights_terms,
)  # fmt: skip
from gateway.policy.taxonomy import CLASSES


def test_bases_and_roles_are_all_there():
    assert set(BASES) == set(Basis)
    assert set(ROLES) == set(Role)
    assert all(rights_terms(basis, "EU") for basis in Basis)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_some_kind_of_personal_data(name):
    assert class_term(name).startswith(("pd:", "dpv:PersonalData"))


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("user.contact.email", "pd:EmailAddress"),
        ("user.contact.address.state", "pd:PhysicalAddress"),
        ("user.government_id.immigration", "pd:OfficialID"),
        ("user", "dpv:PersonalData"),
        ("system.operations", "dpv:PersonalData"),
        ("other", "dpv:PersonalData"),
    ],
)
def test_a_class_without_a_word_has_that_of_the_nearest_above(name, term):
    assert class_term(name) == term


@pytest.mark.parametrize(
    ("name", "term"),
    [("ads", "dpv:Advertising"), ("ads.email", "dpv:Advertising"), ("ads.targeted", "dpv:TargetedAdvertising"),
     ("service.payment.card", "dpv:PaymentManagement"), ("loyalty", "dpv:Purpose")],
)  # fmt: skip
def test_a_purpose_is_a_kind_of_the_nearest_above(name, term):
    assert purpose_term(name) == term


@pytest.mark.parametrize(
    ("law", "under"),
    [
        ("EU", True),
        ("eu", True),
        ("DE", True),
        ("NO", True),
        ("UK", False),
        ("CN", False),
        ("US-CA", False),
        ("", False),
    ],
)
def test_articles_are_only_those_of_the_law_that_applies(law, under):
    assert is_under_gdpr(law) is under
    assert ("eu-gdpr:A6-1-a" in legal_basis_terms(Basis.CONSENT, law)) is under
    assert bool(rights_terms(Basis.CONSENT, law)) is under
    assert legal_basis_terms(Basis.CONSENT, law)[0] == "dpv:ExpressedConsent"


def test_a_right_exists_under_the_bases_that_give_it():
    having = {
        article: {basis for basis in Basis if f"eu-gdpr:{article}" in rights_terms(basis, "EU")}
        for article in ("A7-3", "A20", "A21")
    }

    assert having == {
        "A7-3": {Basis.CONSENT, Basis.EXPLICIT_CONSENT},
        "A20": {Basis.CONSENT, Basis.EXPLICIT_CONSENT, Basis.CONTRACT},
        "A21": {Basis.LEGITIMATE_INTEREST, Basis.PUBLIC_INTEREST},
    }
    assert jurisdiction_term("us-ca") == "loc:US-CA"
