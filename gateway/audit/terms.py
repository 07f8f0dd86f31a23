"""How durable a record is when its caller is released, and where it lies by then."""

from pathlib import Path

import msgspec

GROUP, INTERVAL, ALL_SINKS, ANY_SINK = "group", "interval", "all_sinks", "any_sink"
DURABILITIES = (GROUP, INTERVAL, ALL_SINKS, ANY_SINK)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of one log.

    `group`: synced before any caller is released. `interval`: callers are released at once, and what
    came in the last `interval` seconds, and while it was being written, can be lost. `all_sinks` and
    `any_sink`: synced in the slot's directory and in `second`, or in one of them. In `group` and
    `interval` the log goes on in `second`, if there is one, after its own directory failed.

    `ballast` is bytes that are kept back for the day the disk is full, `warn_percent` the free part of
    the file system below which the log says so; 0 leaves either out.
    """

    durability: str = GROUP
    interval: float = 0.0
    second: Path | None = None
    ballast: int = 0
    warn_percent: int = 0

    @property
    def declared(self) -> str:
        """As `open` records say it."""
        return f"interval:{round(self.interval * 1000)}ms" if self.durability == INTERVAL else self.durability

    @property
    def mirrored(self) -> bool:
        return self.durability in (ALL_SINKS, ANY_SINK)
