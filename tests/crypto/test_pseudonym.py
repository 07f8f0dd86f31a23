import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.crypto.pseudonym import canonical_bytes, is_pseudonym, keyed_hash, pseudonym

KEYS = KeyRing(bytes(range(32)), "26q4a")
EMAIL, PHONE, CARD, NAME = (
    "user.contact.email",
    "user.contact.phone_number",
    "user.financial.credit_card",
    "user.name",
)


@pytest.mark.parametrize(
    ("data_class", "text", "canonical"),
    [
        (EMAIL, " Ann@Shop.EXAMPLE ", "ann@shop.example"),
        (EMAIL, "stra\u00dfe@x.example", "strasse@x.example"),
        (EMAIL, "\uff21nn@x.example", "ann@x.example"),
        (EMAIL + ".work", "ANN@x.example", "ann@x.example"),
        (EMAIL + "s", "ANN@x.example", "ANN@x.example"),
        (PHONE, "+49 (151) 234-567", "+49151234567"),
        (PHONE, " \uff0b49 151", "+49151"),
        (PHONE, "0151 / 234 567", "0151234567"),
        (PHONE, "\u0660\u0661\u0662", "012"),
        (PHONE, "1+2", "12"),
        (PHONE, "unknown", "unknown"),
        (PHONE, "+", "++"),
        (CARD, "4111 1111-1111 1111", "4111111111111111"),
        (CARD, "\uff14111", "4111"),
        (CARD, "None", "none"),
        (NAME, " Ann Case ", "Ann Case"),
        (NAME, "Jose\u0301", "Jos\u00e9"),
        (NAME, "\ufb01", "\ufb01"),
        (NAME, "", ""),
    ],
)
def test_canonical_form(data_class, text, canonical):
    assert canonical_bytes(text, data_class).decode() == canonical


def test_forms_and_kid():
    key = KEYS.field_key("pseudonym", "mailer", EMAIL)

    assert re.fullmatch(r"p1\.26q4a\.[A-Za-z0-9_-]{22}", pseudonym(key, "ann@x.example", EMAIL))
    assert keyed_hash(key, "ann@x.example", EMAIL) == "h1" + pseudonym(key, "ann@x.example", EMAIL)[2:]


def test_spellings_join_and_recipients_do_not():
    mailer, shop = (KEYS.field_key("pseudonym", recipient, EMAIL) for recipient in ("mailer", "shop"))

    assert pseudonym(mailer, "Ann@x.example", EMAIL) == pseudonym(mailer, "ann@X.example", EMAIL)
    assert pseudonym(mailer, "ann@x.example", EMAIL) != pseudonym(shop, "ann@x.example", EMAIL)


def test_lone_surrogates_have_pseudonyms_of_their_own():
    key = KEYS.field_key("pseudonym", "mailer", NAME)

    assert pseudonym(key, "\ud800", NAME) != pseudonym(key, "\ud801", NAME)


@given(st.text(), st.text(), st.sampled_from([EMAIL, PHONE, CARD, NAME]))
def test_equal_pseudonyms_mean_equal_canonical_forms(one, other, data_class):
    key = KEYS.field_key("pseudonym", "mailer", data_class)

    assert (pseudonym(key, one, data_class) == pseudonym(key, other, data_class)) == (
        canonical_bytes(one, data_class) == canonical_bytes(other, data_class)
    )


@given(st.text(alphabet=st.characters(codec="ascii")), st.sampled_from([EMAIL, PHONE, CARD, NAME]))
def test_the_shorter_way_for_ascii_gives_the_same(text, data_class):
    longer = canonical_bytes(text + "\u3000", data_class)  # an ideographic space is stripped, and is no digit

    assert canonical_bytes(text, data_class) == longer


@given(st.text())
def test_both_normal_forms_of_a_text_join(text):
    key = KEYS.field_key("pseudonym", "mailer", NAME)
    forms = {pseudonym(key, unicodedata.normalize(form, text), NAME) for form in ("NFC", "NFD")}

    assert len(forms) == 1


@given(st.text(), st.sampled_from([EMAIL, PHONE, CARD, NAME]))
def test_every_pseudonym_has_the_form_and_is_nobodys_identifier(text, data_class):
    made = pseudonym(KEYS.field_key("pseudonym", "shop", data_class), text, data_class)

    assert is_pseudonym(made)
    for written in (made, made.upper(), f" {made}\t", made[:-3]):
        with pytest.raises(ValueError, match="a pseudonym is no identifier"):
            KEYS.subject_index(written)


@pytest.mark.parametrize(
    "text",
    ["", "p1.", "p1.26q4a." + "A" * 21, "p1.26q4a." + "A" * 23, "p1.26q5a." + "A" * 22, "P1.26q4a." + "A" * 22,
     "p1.26q4a." + "A" * 21 + "B", "h1.26q4a." + "A" * 22, "p1.26q4a." + "A" * 22 + "\n"],
)  # fmt: skip
def test_what_is_no_pseudonym(text):
    assert not is_pseudonym(text)


@pytest.mark.parametrize("text", ["p1.smith", "p1", "ann.p1.26q4a.", "p1.26q4", "p1.99999.x"])
def test_identifiers_that_only_look_a_little_like_one_are_somebodys(text):
    assert len(KEYS.subject_index(text)) == 16


def test_the_index_of_a_pseudonym_outlives_its_epoch_and_needs_the_root_key():
    later, other = KeyRing(bytes(range(32)), "27q1a"), KeyRing(bytes(32), "26q4a")
    made = pseudonym(KEYS.field_key("pseudonym", "shop", NAME), "ann", NAME)

    assert KEYS.pseudonym_index(made) == later.pseudonym_index(made) != other.pseudonym_index(made)
    assert len(KEYS.pseudonym_index(made)) == 16
