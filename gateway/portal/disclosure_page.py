"""Disclosures in the words of one language, for `templates/disclosures.html`, which only lays them out."""

from collections.abc import Mapping
from typing import Any

import msgspec
from markupsafe import Markup

from gateway.policy.policy import Policy, Purpose, Recipient
from gateway.portal.access_texts import class_words, say, word
from gateway.portal.disclosure_plot import legend, plot_svg
from gateway.portal.disclosures import Disclosures, Given, Use
from gateway.portal.periods import FLOWS, Period


class Row(msgspec.Struct, frozen=True):
    """One recipient and purpose as it is read: `data` are classes with their number, `how` or why not in words.

    Tags say in which language the rules name a recipient or purpose, where that is not the page's.
    """

    recipient: str
    recipient_tag: str
    role: str
    purpose: str
    purpose_tag: str
    basis: str
    data: tuple[tuple[str, int], ...]
    how: str
    messages: int
    first: str
    last: str


class GivenRow(msgspec.Struct, frozen=True):
    """What an authority was given, as it is read; `data` is empty where nothing was held."""

    authority: str
    authority_tag: str
    instrument: str
    law: str
    data: tuple[tuple[str, int], ...]
    time: str


class PeriodRow(msgspec.Struct, frozen=True):
    start: str
    counts: tuple[int, ...]


def disclosures_context(view: Disclosures, language: str, policy: Policy) -> dict[str, Any]:
    """What the template takes; purposes and recipients go by the titles that the rules give them.

    Its keys: `access` (texts), `notes` (sentences), `passed` and `held` (rows), `authorities`
    (rows), `plot`, `flows`, `periods`, `unit`.
    """
    passed = [_passed(use, language, policy) for use in view.uses if use.passed]
    held = [_held(use, language, policy) for use in view.uses if use.withheld]
    unit = view.periods[0].unit if view.periods else "day"
    return {
        "access": lambda key: say(language, key),
        "notes": _notes(view, language),
        "passed": passed,
        "held": held,
        "authorities": [_given(given, language, policy) for given in view.authorities],
        "legend": legend(language),
        "plot": plot_svg(view.periods, language, identifier="disclosures-plot") if view.periods else Markup(),
        "flows": [word(language, "flow", flow) for flow in FLOWS],
        "periods": [_period(period) for period in view.periods if any(period.counts.values())],
        "unit": word(language, "unit", unit),
        "spans": [],
    }


def _notes(view: Disclosures, language: str) -> list[str]:
    notes = [say(language, "disclosures.as_of", time=minute(view.as_of))]
    if view.since:
        notes.append(say(language, "disclosures.from", time=minute(view.since)))
    if not view.complete:
        notes.append(say(language, "disclosures.incomplete", count=view.records))
    if not view.uses and not view.authorities:
        notes.append(say(language, "disclosures.none"))
    if view.unlisted:
        notes.append(say(language, "disclosures.unlisted", count=view.unlisted))
    if view.refused:
        notes.append(say(language, "disclosures.refused", count=view.refused))
    return notes


def _passed(use: Use, language: str, policy: Policy) -> Row:
    return _row(use, use.passed, ", ".join(_words(language, "action", use.actions)), language, policy)


def _held(use: Use, language: str, policy: Policy) -> Row:
    return _row(use, use.withheld, "; ".join(_words(language, "reason", use.reasons)), language, policy)


def _row(use: Use, classes: Mapping[str, int], how: str, language: str, policy: Policy) -> Row:
    declared = policy.recipients.get(use.recipient)
    recipient, recipient_tag = title_of(declared, language)
    purpose, purpose_tag = title_of(policy.purposes.get(use.purpose), language)
    return Row(
        recipient=recipient or word(language, "recipient", use.recipient),
        recipient_tag=recipient_tag,
        role=word(language, "role", use.role) if declared is not None else "",
        purpose=purpose or word(language, "purpose", use.purpose),
        purpose_tag=purpose_tag,
        basis=", ".join(word(language, "basis", basis) for basis in use.bases),
        data=_data(classes, language),
        how=how,
        messages=use.messages,
        first=minute(use.first),
        last=minute(use.last),
    )


def _given(given: Given, language: str, policy: Policy) -> GivenRow:
    authority, tag = title_of(policy.recipients.get(given.recipient), language)
    return GivenRow(
        authority=authority or given.recipient,
        authority_tag=tag,
        instrument=word(language, "instrument", given.instrument),
        law=given.legal_basis,
        data=_data(given.classes, language),
        time=minute(given.time),
    )


def _data(classes: Mapping[str, int], language: str) -> tuple[tuple[str, int], ...]:
    """Classes in words, each once, with their numbers."""
    data: dict[str, int] = {}
    for name, count in classes.items():
        words = class_words(language, name)
        data[words] = data.get(words, 0) + count
    return tuple(data.items())


def title_of(declared: Purpose | Recipient | None, language: str) -> tuple[str, str]:
    """How a person reads of a purpose or recipient: its title, or else its name; and the title's language if another.

    Empty for what is not declared.
    """
    if declared is None:
        return "", ""
    title, tag = declared.title.within(language)
    return title or declared.name, "" if tag.partition("-")[0] == language else tag


def _words(language: str, kind: str, names: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(word(language, kind, name) for name in names))


def _period(period: Period) -> PeriodRow:
    return PeriodRow(period.label, tuple(period.counts[flow] for flow in FLOWS))


def minute(time: str) -> str:
    """A time as records write it, to the minute."""
    return time[:16].replace("T", " ")
