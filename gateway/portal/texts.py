"""What the person's pages say: one flat file for each language, `texts/portal.*.json`.

A key begins with the page or part that it belongs to: `overview.title`. Names in braces are filled in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from types import MappingProxyType

import msgspec

from gateway.policy.texts import Period
from gateway.runtime.settings_portal import LANGUAGES
from gateway.stores.event import MICROSECONDS

NAMES = MappingProxyType({"en": "English", "de": "Deutsch", "zh": "中文"})
"""Each language in its own words."""
TAGS = MappingProxyType({"zh": "zh-Hans"})
"""The tag (RFC 5646) under which browsers find the right glyphs, where that is more than the language."""


def _read(language: str) -> Mapping[str, str]:
    text = files("gateway.portal").joinpath(f"texts/portal.{language}.json").read_bytes()
    return MappingProxyType(msgspec.json.decode(text, type=dict[str, str]))


TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType({language: _read(language) for language in LANGUAGES})
"""Text by language and key."""


class Words:
    """The texts of one language, and its way to write dates, lengths of time and lists."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.tag = TAGS.get(language, language)
        self._texts = TEXTS[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key that exists."""
        return self._texts[key].format(**values)

    def named(self, kind: str, name: str) -> str:
        """The words for a name of a vocabulary; the name itself where there are none."""
        return self._texts.get(f"{kind}.{name}", name)

    def titled(self, kind: str, name: str) -> str:
        """The title of a message; that of its kind where it has none of its own."""
        return self._texts.get(f"{kind}.{name}.title", self._texts[f"{kind}.title"])

    def day(self, moment: int) -> str:
        """The day (UTC) of a moment in microseconds since the epoch."""
        found = datetime.fromtimestamp(moment // MICROSECONDS, UTC)
        month = self("date.months").split()[found.month - 1]
        return self("date.day", day=found.day, month=month, year=found.year)

    def minute(self, moment: int) -> str:
        """The same with its time to the minute."""
        time = datetime.fromtimestamp(moment // MICROSECONDS, UTC).strftime("%H:%M")
        return self("date.minute", date=self.day(moment), time=time)

    def period(self, period: Period) -> str:
        years, months = divmod(period.months, 12)
        counts = (("year", years), ("month", months), ("day", period.days))
        parts = [
            self(f"period.{unit}" if count == 1 else f"period.{unit}s", count=count) for unit, count in counts if count
        ]
        text = parts[-1]
        for part in reversed(parts[:-1]):
            text = self("period.and", first=part, second=text)
        return text

    def listed(self, names: Sequence[str]) -> str:
        return self("list.comma").join(names)


WORDS: Mapping[str, Words] = MappingProxyType({language: Words(language) for language in LANGUAGES})


def negotiated(accept: bytes, offered: Sequence[str]) -> str:
    """The offered language that Accept-Language likes best (RFC 9110, section 12.5.4), else the first."""
    best, quality = offered[0], 0.0
    for member in accept.decode("latin-1").split(",")[:32]:
        tag, _, parameter = member.partition(";")
        language = tag.strip().lower().partition("-")[0]
        liked = _quality(parameter)
        if language in offered and liked > quality:
            best, quality = language, liked
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        found = float(value)
    except ValueError:
        return 0.0
    return found if name.strip().lower() == "q" and 0 <= found <= 1 else 0.0


def machine_time(moment: int) -> str:
    """A moment as the `datetime` attribute of HTML has it."""
    return datetime.fromtimestamp(moment // MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
