"""Whom the parts of a client's certificate name."""

import ssl

import pytest
from certificates import Authority
from cryptography import x509

from gateway.crypto.certificate import identity_of_certificate
from gateway.model.identity import CertificatePart

EMAIL = x509.RFC822Name("ann@shop.example")
NAMES = (EMAIL, x509.DNSName("till.shop.example"), x509.UniformResourceIdentifier("spiffe://shop.example/till"))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def named(authority, part, *alternatives, **more):
    path, _ = authority.issue("client", *alternatives, **more)
    found = identity_of_certificate(ssl.PEM_cert_to_DER_cert(path.read_text()), part)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (CertificatePart.SAN_URI, "spiffe://shop.example/till"),
        (CertificatePart.SAN_EMAIL, "ann@shop.example"),
        (CertificatePart.SAN_DNS, "till.shop.example"),
        (CertificatePart.SUBJECT_CN, "Ann"),
    ],
)
def test_the_part_that_is_chosen_names_the_holder(authority, part, name):
    assert named(authority, part, *NAMES, common=("Ann",)) == name


@pytest.mark.parametrize("part", list(CertificatePart)[:3])
def test_a_certificate_without_that_part_names_nobody(authority, part):
    assert named(authority, part) is None
    assert named(authority, part, x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))) is None


def test_two_names_are_no_name(authority):
    assert named(authority, CertificatePart.SAN_EMAIL, EMAIL, x509.RFC822Name("eve@shop.example")) == ""
    assert named(authority, CertificatePart.SUBJECT_CN, common=("Ann", "Eve")) == ""


def test_the_identity_ends_with_the_certificate(authority):
    path, _ = authority.issue("client", EMAIL)
    encoded = ssl.PEM_cert_to_DER_cert(path.read_text())
    expiry = x509.load_der_x509_certificate(encoded).not_valid_after_utc.timestamp()
    assert identity_of_certificate(encoded, CertificatePart.SAN_EMAIL).until == expiry


def test_what_cannot_be_read_names_nobody_and_lets_no_other_source_speak():
    assert identity_of_certificate(b"\x30\x00", CertificatePart.SAN_EMAIL).name == ""
