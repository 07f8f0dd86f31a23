"""eddsa-jcs-2022 against the example of its specification, and against every change."""

import copy
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.canonical_json import NotCanonical, canonical
from gateway.crypto.data_integrity import (
    BadProof,
    base58,
    from_base58,
    is_signed_by,
    sign_document,
    signer_of,
    verification_method,
)  # fmt: skip

# Data Integrity EdDSA Cryptosuites v1.0, appendix B.3: key, document, hashes and proof.
SEED = bytes.fromhex("c96ef9ea10c5e414c471723aff9de72c35fa5b70fae97e8832ecac7d2e2b8ed6")
METHOD = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
CREATED = "2023-02-24T23:36:38Z"
DOCUMENT = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
VALUE = "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"
SIGNED = sign_document(DOCUMENT, SEED, created=CREATED)


def test_the_example_of_the_specification():
    assert hashlib.sha256(canonical(DOCUMENT)).hexdigest() == (
        "59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
    )
    assert SIGNED["proof"]["proofValue"] == VALUE
    assert SIGNED["proof"]["verificationMethod"] == METHOD
    assert verification_method(signer_of(SIGNED)) == METHOD
    assert is_signed_by(SIGNED, signer_of(SIGNED))


def places(value, path=()):
    """Every place of a document that holds no other."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))
    if not isinstance(value, (dict, list)):
        yield path


def changed(document, path, change):
    copied = copy.deepcopy(document)
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return copied


@pytest.mark.parametrize("path", list(places(SIGNED)), ids=str)
@pytest.mark.parametrize("change", ["altered", "removed", "added"])
def test_no_place_can_be_changed(path, change):
    def do(holder, key):
        if change == "altered":
            holder[key] = holder[key] + "x"
        elif change == "removed":
            del holder[key]
        elif isinstance(holder, dict):
            holder["another"] = 1
        else:
            holder.append(holder[0])

    found = changed(SIGNED, path, do)
    try:
        assert not is_signed_by(found, signer_of(SIGNED))
    except BadProof as refused:
        assert "x" not in str(refused).split()  # noqa: PT017 - either way is right


def test_another_key_did_not_sign_it():
    other = sign_document(DOCUMENT, bytes(32), created=CREATED)

    assert not is_signed_by(SIGNED, signer_of(other))
    assert is_signed_by(other, signer_of(other))


def test_a_document_without_context_is_signed_alike():
    signed = sign_document({"a": 1}, SEED, created=CREATED)

    assert "@context" not in signed["proof"]
    assert is_signed_by(signed, signer_of(signed))
    assert not is_signed_by({**signed, "@context": []}, signer_of(signed))


@pytest.mark.parametrize(
    "proof",
    [
        None, [], {}, {**SIGNED["proof"], "type": "Other"}, {**SIGNED["proof"], "cryptosuite": "eddsa-rdfc-2022"},
        {**SIGNED["proof"], "proofPurpose": "authentication"}, {**SIGNED["proof"], "proofValue": 1},
        {**SIGNED["proof"], "more": 1}, {**SIGNED["proof"], "verificationMethod": 1},
        {**SIGNED["proof"], "verificationMethod": METHOD.partition("#")[0]},
        {**SIGNED["proof"], "verificationMethod": "did:web:example.org#key"},
        {**SIGNED["proof"], "verificationMethod": METHOD.replace("z6Mk", "z0Ol")},
        {**SIGNED["proof"], "verificationMethod": "did:key:z" + "6" * 300},
    ],
)  # fmt: skip
def test_what_is_no_proof_of_this_suite_is_refused(proof):
    with pytest.raises(BadProof):
        signer_of({**DOCUMENT, "proof": proof})


@pytest.mark.parametrize("value", ["", "z", "m" + VALUE[1:], VALUE + "1", VALUE[:-1] + "0", "z" + "2" * 300])
def test_a_signature_that_is_none_is_none(value):
    found = {**SIGNED, "proof": {**SIGNED["proof"], "proofValue": value}}

    assert not is_signed_by(found, signer_of(found))


def test_what_has_no_canonical_form_is_not_signed():
    with pytest.raises(NotCanonical):
        sign_document({"a": 0.5}, SEED, created=CREATED)
    with pytest.raises(BadProof):
        is_signed_by({**SIGNED, "name": 0.5}, signer_of(SIGNED))


@given(st.binary(max_size=80))
def test_base_58_gives_back_what_it_took(data):
    assert from_base58(base58(data)) == data
