"""Where the sections of US law stand their opt-outs in (IAB Global Privacy Platform, sections 7 to 27).

Each core is a version of six bits and then fields of two: notices, the choices (sale, sharing, targeted
advertising, as far as the law has them), and what comes after them.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

OPTED_OUT = 1
"""The value of a choice: 0 is not applicable, 2 did not opt out."""

SENSITIVE = 8
"""Fields of the segment of sensitive data."""


class Layout(msgspec.Struct, frozen=True):
    """How many fields stand before, in and after the choices; `gpc`: it can repeat Global Privacy Control."""

    before: int
    choices: int
    after: int
    gpc: bool = True
    versions: frozenset[int] = frozenset({1})

    @property
    def size(self) -> int:
        """Bits of the whole core."""
        return 6 + 2 * (self.before + self.choices + self.after)


_NATIONAL = frozenset({1, 2})

PLAIN: Mapping[int, tuple[Layout, ...]] = MappingProxyType(
    {
        7: (Layout(6, 3, 23, versions=_NATIONAL), Layout(6, 3, 18, versions=_NATIONAL)),  # national
        8: (Layout(3, 2, 15),),  # California
        9: (Layout(3, 2, 12, gpc=False),),  # Virginia
        10: (Layout(3, 2, 11),),  # Colorado
        11: (Layout(4, 2, 12, gpc=False),),  # Utah
        12: (Layout(3, 2, 14),),  # Connecticut
        13: (Layout(3, 2, 15, gpc=False),),  # Florida
        14: (Layout(3, 2, 15),),  # Montana
        15: (Layout(3, 2, 18),),  # Oregon
        16: (Layout(3, 2, 13),),  # Texas
        17: (Layout(3, 2, 18),),  # Delaware
        18: (Layout(4, 2, 12),),  # Iowa
        19: (Layout(3, 2, 13),),  # Nebraska
        20: (Layout(3, 2, 15),),  # New Hampshire
        21: (Layout(3, 2, 19),),  # New Jersey
        22: (Layout(3, 2, 13),),  # Tennessee
        23: (Layout(3, 2, 13),),  # Minnesota
    }
)
"""Sections without a header of their own, by id; the longest edition first."""

HEADED: Mapping[int, Layout] = MappingProxyType(
    {
        24: Layout(5, 2, 1),  # Maryland
        25: Layout(5, 2, 2, gpc=False),  # Indiana
        26: Layout(5, 2, 2, gpc=False),  # Kentucky
        27: Layout(5, 2, 2, gpc=False),  # Rhode Island
    }
)
"""Sections whose header names what follows the core."""
