"""Reads texts in languages and lengths of time."""

import re

from gateway.policy import forms
from gateway.policy.reader import Reader
from gateway.policy.source import Mapping, Node, Scalar
from gateway.policy.texts import NO_TEXT, Period, Text

_LONGEST_YEARS = 100


def read_text(reader: Reader, node: Node, noun: str) -> Text:
    """A text, or a mapping from languages to texts. Empty where it cannot be read, which is noted."""
    if isinstance(node, Scalar):
        text = reader.text(node, noun)
        return NO_TEXT if text is None else Text((("", text),))
    if not isinstance(node, Mapping):
        reader.expected(node, f"{noun} is a text, or a mapping from languages to texts")
        return NO_TEXT
    found: list[tuple[str, str]] = []
    for key, value in node.entries:
        language = reader.matching(key, forms.LANGUAGE, "a language", "a tag such as 'en', 'de' or 'zh'")
        text = reader.text(value, f"{noun} in one language")
        if language is not None and text is not None:
            found.append((language, text))
    if not node.entries:
        reader.expected(node, f"{noun} needs at least one language")
    return Text(tuple(found))


def read_period(reader: Reader, node: Node) -> Period | None:
    """A length of time, at most a hundred years."""
    hint = "a duration of ISO 8601 in years, months, weeks and days, such as 'P6M' or 'P1Y'"
    written = reader.matching(node, forms.PERIOD, "a length of time", hint)
    match = re.match(forms.PERIOD, written) if written is not None else None
    if match is None:
        return None
    years, months, weeks, days = (int(part[:-1]) if part else 0 for part in match.groups())
    period = Period(12 * years + months, 7 * weeks + days)
    if not 0 < period.months * 31 + period.days <= _LONGEST_YEARS * 366:
        reader.report.add("PG108", node, f"consent cannot hold for '{written}'", hint)
        return None
    return period
