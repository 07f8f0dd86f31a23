"""The texts of the pages: the same keys and names in every language, and dates as each writes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.words import ConsentStatus
from gateway.policy.texts import Period
from gateway.portal.pages import DONE
from gateway.portal.texts import NAMES, TEXTS, WORDS, machine_time, negotiated
from gateway.runtime.settings_portal import LANGUAGES
from gateway.stores.event import _RECORDABLE

MOMENT = 1_795_484_096_000_000


def test_every_language_has_every_text():
    assert set(TEXTS) == set(LANGUAGES) == set(NAMES)
    assert {language: set(texts) for language, texts in TEXTS.items()} == {tag: set(TEXTS["en"]) for tag in LANGUAGES}


@pytest.mark.parametrize("key", sorted(TEXTS["en"]))
def test_a_text_has_the_same_names_in_every_language(key):
    assert len({tuple(sorted(re.findall(r"{\w*}", TEXTS[language][key]))) for language in LANGUAGES}) == 1
    assert all(TEXTS[language][key].strip() for language in LANGUAGES)


def test_no_text_is_left_untranslated():
    same = {key for key, text in TEXTS["en"].items() if text in (TEXTS["de"][key], TEXTS["zh"][key])}
    assert same <= {"date.minute", "list.comma", "purpose.research"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_code_names_is_there(language):
    words = WORDS[language]
    for status in _RECORDABLE:
        assert f"status.{status}" in TEXTS[language]
    for done in DONE:
        assert words(f"done.{done}")
    assert ConsentStatus.EXPIRED not in _RECORDABLE


@pytest.mark.parametrize(
    ("language", "day", "minute"),
    [
        ("en", "24 November 2026", "24 November 2026, 01:34 UTC"),
        ("de", "24. November 2026", "24. November 2026, 01:34 UTC"),
        ("zh", "2026年11月24日", "2026年11月24日 01:34（UTC）"),
    ],
)
def test_dates(language, day, minute):
    assert (WORDS[language].day(MOMENT), WORDS[language].minute(MOMENT)) == (day, minute)
    assert machine_time(MOMENT) == "2026-11-24T01:34:56Z"


@pytest.mark.parametrize(
    ("period", "english", "german", "chinese"),
    [
        (Period(6), "6 months", "6 Monate", "6 个月"),
        (Period(12), "one year", "ein Jahr", "1 年"),
        (Period(25, 1), "2 years and one month and one day", "2 Jahre und einen Monat und einen Tag", "2 年1 个月1 天"),
        (Period(0, 30), "30 days", "30 Tage", "30 天"),
    ],
)
def test_lengths_of_time(period, english, german, chinese):
    assert [WORDS[language].period(period) for language in ("en", "de", "zh")] == [english, german, chinese]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", "en"),
        (b"de", "de"),
        (b"DE-at", "de"),
        (b"fr;q=1, zh;q=0.2, de;q=0.3", "de"),
        (b"de;q=0", "en"),
        (b"de;q=x, zh;q=0.1", "zh"),
        (b"de;q=nan, zh;q=0.1", "zh"),
        (b"*", "en"),
        (b"," * 9999, "en"),
        (b"\xff;;q", "en"),
    ],
)
def test_the_language_that_is_liked_best(accept, expected):
    assert negotiated(accept, ("en", "de", "zh")) == expected


@given(st.binary(max_size=60))
def test_any_wish_for_a_language_gives_one_of_ours(accept):
    assert negotiated(accept, ("zh", "de")) in ("zh", "de")
