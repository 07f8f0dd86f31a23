"""Words of the rules that people read, in one language or in several, and lengths of time by the calendar."""

import calendar
from datetime import UTC, datetime

import msgspec


class Text(msgspec.Struct, frozen=True):
    """`by_language` is in the order of the rules; the tag is empty where the rules name no language."""

    by_language: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_language)

    @property
    def first(self) -> str:
        """The text that stands first; empty where there is none."""
        return self.by_language[0][1] if self.by_language else ""

    def within(self, language: str) -> tuple[str, str]:
        """The text for a language and the tag of the one that it is in; the first where the rules have no such one."""
        for tag, text in self.by_language:
            if tag == language or tag.partition("-")[0] == language:
                return text, tag
        return self.first, self.by_language[0][0] if self.by_language else ""


NO_TEXT = Text()


class Period(msgspec.Struct, frozen=True):
    """A length of time by the calendar, so that six months from a day end on the same day of a month."""

    months: int = 0
    days: int = 0

    def after(self, moment: int) -> int:
        """This much later; both are microseconds since the epoch, and the calendar is that of UTC.

        A day that the month does not have is its last one.
        """
        seconds, rest = divmod(moment, 1_000_000)
        start = datetime.fromtimestamp(seconds, UTC)
        month = start.month - 1 + self.months
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        end = start.replace(year=year, month=month, day=day)
        return (int(end.timestamp()) + self.days * 86_400) * 1_000_000 + rest
