"""What is found is measured on a small labelled table: every finding in it right, and nearly everything found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.fields import classes_of_field
from gateway.detect.forms import READ_AT_MOST, classes_in_text
from gateway.detect.name_table import CLASS_BY_NAME
from gateway.detect.names import class_named, words
from gateway.policy.taxonomy import CLASSES

EMAIL, PHONE, CARD = "user.contact.email", "user.contact.phone_number", "user.financial.credit_card"
BANK, IP, DEVICE = "user.financial.bank_account", "user.device.ip_address", "user.device.device_id"
TOKEN, PSEUDONYM = "user.authorization.credentials", "user.unique_id.pseudonymous"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

FORMS = [
    ("ann@example.com", EMAIL),
    ("Ann <ann.b+shop@mail.example.co.uk>, please", EMAIL),
    ("mailto:ann@example.com", EMAIL),
    ("https://shop.example/u?email=ann%40example.com", EMAIL),
    ("müller@bücher.de", EMAIL),
    ("张三@例子.公司", EMAIL),
    ("ann@xn--bcher-kva.xn--p1ai", EMAIL),
    ("git@github.com:org/repo", None),
    ("https://abc123@o1.ingest.sentry.io/1", None),
    ("https://user:secret@host.example/", None),
    ("logo@2x.png", None),
    ("react@18.2.0", None),
    ("@handle", None),
    ("a@b", None),
    ("a..b@example.com", None),
    ("4111 1111 1111 1111", CARD),
    ("4111-1111-1111-1111", CARD),
    ("card 5555555555554444!", CARD),
    ("378282246310005", CARD),
    ("3782 822463 10005", CARD),
    ("6200000000000005", CARD),
    ("2223003122003222", CARD),
    ("4111 1111 1111 1112", None),
    ("1234567812345670", None),
    ("0000000000000000", None),
    ("44111111111111111", None),
    ("4111.1111.1111.1111", None),
    ("DE89 3704 0044 0532 0130 00", BANK),
    ("IBAN: GB29NWBK60161331926819.", BANK),
    ("AT61 1904 3002 3457 3201 dies ist meines", BANK),
    ("DE89 3704 0044 0532 0130 01", None),
    ("DE8937040044053201300", None),
    ("XX89370400440532013000", None),
    ("+49 151 23456789", PHONE),
    ("+1 (415) 555-2671", PHONE),
    ("+8613812345678", PHONE),
    ("call +44 20 7946 0958 now", PHONE),
    ("+10000000000", None),
    ("+2026-11-24", None),
    ("1+12345678901", None),
    ("2026-11-24T03:37:58+0000", None),
    ("0151 23456789", None),
    ("203.0.113.9", IP),
    ("from 10.1.2.34, 192.0.2.7", IP),
    ("2001:db8::8a2e:370:7334", IP),
    ("fe80::1ff:fe23:4567:890a", IP),
    ("1.2.3.4", None),
    ("127.0.0.1", None),
    ("120.0.0.0", None),
    ("Chrome/120.0.6099.109 Safari", None),
    ("999.1.1.1", None),
    ("01.02.03.44", None),
    ("std::vector", None),
    ("12:30:45", None),
    ("::1", None),
    ("00:1a:2b:3c:4d:5e", DEVICE),
    ("00-1A-2B-3C-4D-5E", DEVICE),
    ("00:1a:2b-3c:4d:5e", None),
    ("ff:ff:ff:ff:ff:ff", None),
    ("00:1a:2b:3c:4d:5e:6f", None),
    (JWT, TOKEN),
    ("Bearer " + JWT, TOKEN),
    ("eyJub3QiOiJhIHRva2VuIn0.eyJhIjoxfQ.x", None),
    ("a.b.c", None),
    ("p1.26q4a.AAAAAAAAAAAAAAAAAAAAAA", PSEUDONYM),
    ("id h1.26q4a.abcdefghijklmnopqrstuQ", PSEUDONYM),
    ("p1.26q4a.abc", None),
    ("p2.26q4a.AAAAAAAAAAAAAAAAAAAAAA", None),
    ("550e8400-e29b-41d4-a716-446655440000", None),
    ("1795491478123", None),
    ("GA1.2.1234567890.1700000000", None),
    ("d41d8cd98f00b204e9800998ecf8427e", None),
    ("Hello, world", None),
    ("", None),
]

NAMES = [
    ("email", EMAIL),
    ("customerEmail", EMAIL),
    ("e-mail", EMAIL),
    ("邮箱", EMAIL),
    ("phone_number", PHONE),
    ("Telefonnummer", PHONE),
    ("手机号", PHONE),
    ("shouji", PHONE),
    ("firstName", "user.name.first"),
    ("Vorname", "user.name.first"),
    ("last_name", "user.name.last"),
    ("姓名", "user.name"),
    ("dateOfBirth", "user.demographic.date_of_birth"),
    ("geburtsdatum", "user.demographic.date_of_birth"),
    ("生日", "user.demographic.date_of_birth"),
    ("Straße", "user.contact.address.street"),
    ("plz", "user.contact.address.postal_code"),
    ("zipCode", "user.contact.address.postal_code"),
    ("address_line_1", "user.contact.address.street"),
    ("身份证号", "user.government_id.national_identification_number"),
    ("ssn", "user.government_id.national_identification_number"),
    ("passportNumber", "user.government_id.passport_number"),
    ("X-Forwarded-For", IP),
    ("client_ip", IP),
    ("User-ID", "user.unique_id"),
    ("kundennummer", "user.unique_id"),
    ("password", "user.authorization.password"),
    ("Authorization", TOKEN),
    ("X-API-Key", TOKEN),
    ("_ga", "user.device.cookie_id"),
    ("_ga_AB12", "user.device.cookie_id"),
    ("fbclid", "user.device.cookie_id"),
    ("user[phone]", PHONE),
    ("order.billingAddress.zip", "user.contact.address.postal_code"),
    ("customer.name", "user.name"),
    ("customers[0][name]", "user.name"),
    ("user.gender", "user.demographic.gender"),
    ("lat", "user.location.precise"),
    ("diagnosis", "user.health.medical_diagnosis"),
    ("IBAN", BANK),
    ("name", None),
    ("product.name", None),
    ("id", None),
    ("address", None),
    ("state", None),
    ("GA", None),
    ("emailed_at", None),
    ("email_count", None),
    ("phone_verified_at", None),
    ("sku", None),
    ("page", None),
    ("total", None),
    ("client_id", None),
    ("version", None),
    ("mobile_friendly", None),
    ("country", None),
    ("x" * 65, None),
    ("", None),
]


@pytest.mark.parametrize(("text", "data_class"), FORMS)
def test_forms(text, data_class):
    assert classes_in_text(text) == ({data_class} if data_class else set())


@pytest.mark.parametrize(("name", "data_class"), NAMES)
def test_names(name, data_class):
    assert class_named([name]) == data_class


def test_every_class_of_the_table_is_one_and_every_name_is_in_the_form_that_is_looked_up():
    assert set(CLASS_BY_NAME.values()) <= set(CLASSES)
    assert {name: words(name) for name in CLASS_BY_NAME} == {name: name for name in CLASS_BY_NAME}
    assert len(CLASS_BY_NAME) > 400


@pytest.mark.parametrize(
    ("path", "value", "classes"),
    [
        (["email"], "ann@example.com", {EMAIL}),
        (["email"], "A. Nn", {EMAIL}),
        (["email"], "", set()),
        (["email"], None, set()),
        (["email"], True, set()),
        (["phone"], 0, set()),
        (["email"], "p1.26q4a.AAAAAAAAAAAAAAAAAAAAAA", {PSEUDONYM}),
        (["note"], "ann@example.com or +49 151 23456789", {EMAIL, PHONE}),
        (["email"], "+49 151 23456789", {EMAIL, PHONE}),
        (["payment"], 4111111111111111, {CARD}),
        (["order_id"], 4111111111111111, set()),
        (["orderId"], "4111111111111111", set()),
        (["order_id"], "4111 1111 1111 1111", {CARD}),
        (["card_number"], "4111111111111111", {CARD}),
        (["app_version"], "10.14.6.12", set()),
        (["User-Agent"], "Mozilla/5.0 (X11; Linux x86_64)", {"user.device"}),
        (["User-Agent"], "python-requests/2.32", set()),
        ([], "ann@example.com", {EMAIL}),
        ([], 1.5, set()),
    ],
)
def test_fields(path, value, classes):
    assert classes_of_field(path, value) == classes


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text):
    assert classes_of_field([text], text) <= set(CLASSES)


@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "@a.",
        "a.a.a.a@b.",
        "4111 ",
        "41",
        "+4 ",
        "DE89 3704 ",
        "1.",
        "abcd:",
        "00:",
        "eyJ",
        "eyJhbGci.",
        "p1.",
        "//a@",
    ],
)
def test_long_texts_are_read_to_a_bound(unit):
    text = unit * (1_000_000 // len(unit))

    assert classes_in_text(text) == classes_in_text(text[:READ_AT_MOST])


def test_what_stands_behind_the_bound_is_not_looked_at():
    assert classes_in_text("x " * (READ_AT_MOST // 2) + "ann@example.com") == set()
