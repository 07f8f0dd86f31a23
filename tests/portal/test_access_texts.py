"""Every text in every language, with the same gaps to fill in, and words for all that can be shown."""

import re
import string

import pytest

from gateway.audit.lineage import WITHHELD_ACTIONS
from gateway.model.words import Basis, Instrument, Reason, Role
from gateway.policy.forms import SIMPLE_ACTIONS
from gateway.policy.taxonomy import CLASSES
from gateway.portal.access_texts import LANGUAGES, TEXTS, class_words, say, word
from gateway.portal.disclosures import SUBJECT
from gateway.portal.periods import FLOWS
from gateway.runtime.own_access import RIGHTS
from gateway.runtime.production import LEGAL_OBLIGATION


def gaps(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_all_of_it(language):
    texts, english = TEXTS[language], TEXTS["en"]

    assert list(texts) == list(english)
    assert {key: gaps(text) for key, text in texts.items()} == {key: gaps(text) for key, text in english.items()}
    assert not [key for key, text in texts.items() if not text.strip() or text != text.strip()]


def test_no_text_was_left_in_english():
    same = {key for language in ("de", "zh") for key, text in TEXTS[language].items() if text == TEXTS["en"][key]}

    assert same == {
        "class.user.content.private", "class.user.device.cookie", "class.user.device.cookie_id",
        "class.user.contact.organization", "class.user.demographic.religious_belief", "class.user.name",
    } & same  # fmt: skip
    assert all(re.search(r"[\u4e00-\u9fff]", text) for key, text in TEXTS["zh"].items() if "cookie" not in key)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("basis", list(Basis)),
        ("role", list(Role)),
        ("flow", FLOWS),
        ("unit", ["hour", "day", "week", "month"]),
        ("reason", [*Reason, "stopped"]),
        ("action", sorted({*SIMPLE_ACTIONS, "generalise"} - WITHHELD_ACTIONS)),
        ("recipient", [SUBJECT, "caller"]),
        ("purpose", [RIGHTS, LEGAL_OBLIGATION]),
        ("instrument", list(Instrument)),
    ],
)
def test_closed_vocabularies_have_words(language, kind, names):
    assert [name for name in names if f"{kind}.{name}" not in TEXTS[language]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_class_has_words_of_its_own_or_those_of_one_above(language):
    assert [name for name in CLASSES if class_words(language, name) == name] == []
    assert class_words(language, "user.contact.address.state") == TEXTS[language]["class.user.contact.address"]


def test_what_nobody_translated_is_said_as_it_is():
    assert word("de", "purpose", "ads") == "ads"
    assert class_words("de", "other.thing") == "other.thing"
    assert say("fr", "disclosures.as_of", time="now") == "As of now UTC."
