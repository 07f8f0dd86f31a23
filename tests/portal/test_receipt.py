"""What a consent receipt says, and that it is linked data whose terms all resolve."""

import uuid

import msgspec
import pytest
from people import handle_of
from receipts import (
    CITED,
    DIGEST,
    OCCASION,
    RULES,
    WHERE,
    S,
    decided,
    document,
    event,
    keys,
    notice,
    policy,
    receipt,
)  # fmt: skip

from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy
from gateway.portal import receipt as module
from gateway.portal.receipt import Decided, receipt_of
from gateway.portal.receipt_check import check_receipt
from gateway.portal.receipt_evidence import Evidence
from gateway.portal.receipt_record import consent_record
from gateway.portal.receipt_terms import CONTEXT, STATUS_OF_TERM, STATUS_TERMS
from gateway.runtime.receipt_key import receipt_key
from gateway.runtime.record_reader import RecordReader
from gateway.stores.keyfile import create_keys

ANN = "s1." + "a" * 21 + "A"
NOTHING = Evidence({}, {}, ())


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def made(state):
    return document(state, decided(state))


def records(made):
    found = made["dpv:hasRecordOfActivity"]
    return {
        (
            each["dpv:hasProcess"][0]["dpv:hasPurpose"][0]["dct:identifier"],
            each["dpv:hasProcess"][0]["receipt:recipient"],
        ): each
        for each in found
    }


def of(purpose, *, recipient="*", rules=None, status=S.GIVEN):
    one = event(ANN, status, purpose, recipient=recipient)
    evidence = Evidence({}, {one.id: "not recorded yet"}, ())
    return consent_record(rules or policy(), [one], [], evidence, WHERE)


def nodes(value):
    if isinstance(value, dict):
        yield value
        value = [each for key, each in value.items() if key not in ("@context", "proof")]
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def iri(term):
    """What a term of the context stands for; None where it stands for nothing."""
    prefix, colon, name = term.partition(":")
    if prefix == "_" or term.startswith(("urn:", "https://", "http://")):
        return term
    base = CONTEXT.get(prefix)
    return base + name if colon and name and isinstance(base, str) else None


def test_it_is_a_receipt_with_the_fields_that_27560_asks_of_one(made):
    assert made["@type"] == ["dpv:ConsentReceipt"]
    assert made["dct:conformsTo"] == ["https://w3id.org/dpv/schema/dpv-27560#receipt"]
    assert (made["@id"], made["dct:identifier"]) == (f"urn:uuid:{OCCASION.identifier}", OCCASION.identifier)
    assert made["dct:created"] == OCCASION.created
    assert made["receipt:policy"] == policy().digest
    assert made["@context"] == dict(CONTEXT)


def test_every_key_and_every_reference_resolves_within_the_receipt(made):
    known = {node["@id"] for node in nodes(made) if "@id" in node and len(node) > 1}
    references = []
    for node in nodes(made):
        for key, value in node.items():
            if key.startswith("@") or key == "proof":
                references += value if key == "@type" else []
                continue
            assert iri(key), key
            if CONTEXT.get(key, {}).get("@type") == "@id":
                assert isinstance(value, list), key
                references += [each for each in value if isinstance(each, str)]
    assert [each for each in references if not iri(each)] == []
    assert [each for each in references if each.startswith("_:") and each not in known] == []
    assert not [
        key for node in nodes(made) for key in node if key not in CONTEXT and not key.startswith("@") and ":" not in key
    ]


def test_the_context_resolves_by_itself():
    for term, meaning in CONTEXT.items():
        if isinstance(meaning, dict):
            assert iri(meaning["@id"]), term
            assert meaning["@type"].startswith("@") or iri(meaning["@type"]), term
        elif not meaning.startswith("@"):
            assert iri(meaning), term


def test_a_record_for_each_purpose_and_recipient(made):
    assert set(records(made)) == {
        ("ads", "*"), ("analytics", "shop"), ("*", "*"), ("security", "*"), ("ads.email", "mailer"),
    }  # fmt: skip
    for record in made["dpv:hasRecordOfActivity"]:
        assert record["dct:conformsTo"] == ["https://w3id.org/dpv/schema/dpv-27560#record"]
        assert uuid.UUID(record["dct:identifier"]).version == 8
        assert record["dpv:hasDataSubject"][0]["dct:identifier"].startswith("s1.")
    assert len({record["dct:identifier"] for record in made["dpv:hasRecordOfActivity"]}) == 5


def test_what_was_decided_stands_in_order_with_time_method_and_end(made):
    given, withdrawn = records(made)["ads", "*"]["dpv:hasConsentStatus"]

    assert (given["@type"], withdrawn["@type"]) == (["dpv:ConsentGiven"], ["dpv:ConsentWithdrawn"])
    assert given["dpv:isIndicatedAtTime"] == "2026-11-18T11:06:41.000000Z"
    assert (given["dpv:isIndicatedBy"], given["dpv:hasIndicationMethod"]) == (["dpv:DataSubject"], "portal")
    assert given["dpv:hasDuration"] == [
        {"@type": ["dpv:UntilTimeDuration"], "rdf:value": "2026-11-19T11:06:40.000000Z"}
    ]
    assert given["receipt:assurance"] == "low"
    assert withdrawn["receipt:enteredBy"] == "ann"
    assert "dpv:hasDuration" not in withdrawn


def test_consent_without_an_end_says_so_and_the_controllers_word_is_not_the_persons(made):
    renewed, revoked = records(made)["ads.email", "mailer"]["dpv:hasConsentStatus"]

    assert renewed["dpv:hasDuration"] == [{"@type": ["dpv:EndlessDuration"]}]
    assert revoked["dpv:isIndicatedBy"] == ["_:controller"]


def test_rights_that_were_exercised_are_no_statuses_of_consent(made):
    everything, security = records(made)["*", "*"], records(made)["security", "*"]

    assert everything["dpv:hasConsentStatus"] == security["dpv:hasConsentStatus"] == []
    assert [node["@type"] for node in everything["receipt:hasRightExercise"]] == [
        ["eu-gdpr:A18", "dpv:RightExerciseActivity"],
        ["receipt:RestrictionLifted", "dpv:RightExerciseActivity"],
    ]
    assert security["receipt:hasRightExercise"][0]["@type"][0] == "eu-gdpr:A21"


def test_every_status_has_a_term_of_its_own():
    assert set(STATUS_TERMS) == set(ConsentStatus)
    assert len(STATUS_OF_TERM) == len(STATUS_TERMS)
    assert all(iri(term) for term in STATUS_OF_TERM)


def test_the_notice_that_was_shown(made):
    record = records(made)["ads", "*"]
    [shown] = record["dpv:hasNotice"]

    assert record["dpv:hasConsentStatus"][0]["dpv:hasNotice"] == [shown["@id"]]
    assert {key: value for key, value in shown.items() if key != "@id"} == {
        "@type": ["dpv:ConsentNotice"],
        "dct:identifier": "offers",
        "schema:version": "2026-11",
        "receipt:sha256": DIGEST,
        "dct:language": "de",
        "dct:date": "2026-11-18T11:06:35.000000Z",
    }


def test_of_several_showings_the_last_before_the_answer_counts():
    one = event(ANN, S.GIVEN, **CITED)
    served = [notice(ANN, after=-9, language="en"), notice(ANN, after=-3, language="zh"), notice(ANN, after=3)]
    [shown] = consent_record(policy(), [one], served, Evidence({}, {one.id: "x"}, ()), "")["dpv:hasNotice"]

    assert shown["dct:language"] == "zh"


def test_what_the_rules_say_of_a_purpose():
    record = of("ads")
    [process] = record["dpv:hasProcess"]
    [purpose] = process["dpv:hasPurpose"]

    assert purpose["dct:title"] == [
        {"@value": "Show you offers", "@language": "en"},
        {"@value": "Ihnen Angebote zeigen", "@language": "de"},
    ]
    assert purpose["dct:description"] == [{"@value": "In other places"}]
    assert purpose["skos:broader"] == ["dpv:Advertising"]
    assert record["dpv:hasLegalBasis"] == ["dpv:ExplicitlyExpressedConsent", "eu-gdpr:A9-2-a"]
    assert [data["dct:identifier"] for data in process["dpv:hasPersonalData"]] == [
        "user.contact.email",
        "user.demographic.date_of_birth",
    ]
    assert process["dpv:hasPersonalData"][1]["skos:broader"] == ["pd:BirthDate"]
    assert process["dpv:hasProcessing"] == ["dpv:Collect", "dpv:Use", "dpv:Disclose"]
    assert process["dpv:hasRecipient"] == ["_:recipient-mailer", "_:recipient-shop"]


def test_one_recipient_receives_no_more_than_it_may():
    [process] = of("ads", recipient="mailer")["dpv:hasProcess"]

    assert [data["dct:identifier"] for data in process["dpv:hasPersonalData"]] == ["user.contact.email"]
    assert process["dpv:hasProcessing"] == ["dpv:Use", "dpv:Disclose"]
    assert process["dpv:hasRecipient"] == ["_:recipient-mailer"]


@pytest.mark.parametrize(
    ("purpose", "bases", "classes"),
    [
        ("service", 1, ["user.name"]),
        (
            "*",
            4,
            ["user.behavior.browsing_history", "user.contact.email", "user.demographic.date_of_birth", "user.name"],
        ),
        ("gone", 0, []),
    ],
)  # fmt: skip
def test_all_purposes_and_those_that_the_rules_do_not_know(purpose, bases, classes):
    record = of(purpose, status=S.WITHDRAWN)
    [process] = record["dpv:hasProcess"]

    assert len(record["dpv:hasLegalBasis"]) == 2 * bases
    assert [data["dct:identifier"] for data in process["dpv:hasPersonalData"]] == classes
    assert process["dpv:hasPurpose"][0]["dct:identifier"] == purpose


def test_a_purpose_that_only_has_parts_stands_for_them():
    rules = load_policy({"rules.yaml": RULES.replace("analytics", "usage.pages")}, today="2026-11-23")

    assert of("usage", rules=rules)["dpv:hasLegalBasis"] == ["dpv:ExpressedConsent", "eu-gdpr:A6-1-a"]
    assert of("usage.pages", rules=rules)["dpv:hasLegalBasis"] == ["dpv:ExpressedConsent", "eu-gdpr:A6-1-a"]
    assert of("us", rules=rules)["dpv:hasLegalBasis"] == []


def test_where_and_how_it_is_withdrawn_and_which_rights_there_are():
    record = of("ads")

    assert record["dpv:hasConsentControl"] == [
        {"@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"], "dpv:isExercisedAt": [WHERE]}
    ]
    assert record["dpv:hasRight"][0] == {
        "@type": ["dpv:DataSubjectRight", "eu-gdpr:A7-3"],
        "dpv:isExercisedAt": [WHERE],
    }
    assert "eu-gdpr:A21" in [right["@type"][1] for right in of("security")["dpv:hasRight"]]
    assert record["dpv:hasJurisdiction"] == ["loc:EU"]


def test_outside_the_gdpr_none_of_its_articles_are_claimed():
    rules = load_policy({"rules.yaml": RULES.replace("jurisdiction: EU", "jurisdiction: US-CA")}, today="2026-11-23")
    record = of("ads", rules=rules)

    assert (record["dpv:hasJurisdiction"], record["dpv:hasApplicableLaw"]) == (["loc:US-CA"], [])
    assert (record["dpv:hasLegalBasis"], record["dpv:hasRight"]) == (["dpv:ExplicitlyExpressedConsent"], [])


def test_without_pages_the_controllers_contact_is_the_way():
    one = event(ANN, S.GIVEN)
    record = consent_record(policy(), [one], [], Evidence({}, {one.id: "x"}, ()), "")

    assert record["dpv:hasConsentControl"][0]["dct:description"] == "privacy@shop.example"
    assert "dpv:isExercisedAt" not in record["dpv:hasRight"][0]


def test_the_parties(made):
    controller, *recipients = made["dpv:hasEntity"]

    assert controller["dpv:hasName"] == "Example Shop GmbH"
    assert controller["schema:contactPoint"][0]["schema:email"] == "privacy@shop.example"
    assert controller["schema:address"][0]["schema:streetAddress"] == "Example Street 1, Berlin"
    assert controller["schema:url"] == "https://shop.example/policy"
    assert [(entity["dct:identifier"], entity["@type"][1]) for entity in recipients] == [
        ("mailer", "dpv:DataProcessor"),
        ("shop", "dpv:DataController"),
    ]
    assert recipients[0]["dpv:hasName"] == [{"@value": "Mail & More"}]
    assert recipients[0]["schema:contactPoint"][0]["schema:url"] == "https://mail.example"
    assert recipients[0]["dpv:hasLocation"] == ["loc:DE"]


def test_the_same_record_has_the_same_id_in_every_receipt(state, made):
    again = document(state, decided(state, [event(handle_of(state, "ann@shop.example"), S.GIVEN, after=99)], []))

    assert again["dpv:hasRecordOfActivity"][0]["@id"] in [each["@id"] for each in made["dpv:hasRecordOfActivity"]]


def test_decisions_of_a_visitor_and_of_a_person_stand_apart(state):
    ann, visitor = (handle_of(state, name) for name in ("ann@shop.example", "visitor"))
    made = document(state, decided(state, [event(visitor, S.GIVEN), event(ann, S.GIVEN, after=1)], []))

    assert [each["dpv:hasDataSubject"][0]["dct:identifier"] for each in made["dpv:hasRecordOfActivity"]] == [
        visitor,
        ann,
    ]


def test_of_very_many_decisions_the_newest_are_held_and_the_rest_is_counted(state, monkeypatch):
    monkeypatch.setattr(module, "MOST_EVENTS", 3)
    decisions = decided(state)
    held = document(state, Decided(decisions.events[::-1], decisions.served))
    events = [node["dct:identifier"] for record in held["dpv:hasRecordOfActivity"] for key in record
              if key in ("dpv:hasConsentStatus", "receipt:hasRightExercise") for node in record[key]]  # fmt: skip

    assert sorted(events) == sorted(each.id for each in decisions.events[-3:])
    assert held["receipt:omittedEvents"] == 5
    report = check_receipt(receipt(state, decisions), keys(state))
    assert (report.verdict, report.says[-1]) == ("VALID", "5 older decisions are not in this receipt.")


def test_without_a_decision_there_is_nothing_to_give_a_receipt_for(state):
    with pytest.raises(ValueError, match="at least one"):
        module.signed_receipt(Decided([], []), NOTHING, policy(), OCCASION, receipt_key(state))


async def test_a_worker_makes_the_same_receipt_in_its_thread(state):
    decisions = decided(state)
    reader = RecordReader(state)
    made = await receipt_of(reader, decisions, policy(), OCCASION, receipt_key(state))
    reader.close()

    assert made == receipt(state, decisions)
    assert made.endswith(b"}\n")
    assert msgspec.json.decode(made)["proof"]["created"] == OCCASION.created


def test_nothing_in_it_is_the_persons_identifier(state):
    assert b"ann@shop" not in receipt(state, decided(state))
