"""Bits written as base64url text, as the consent strings of the advertising industry carry them.

Reading is strict: what could mean something else to another reader is refused, and a refusal holds no
part of the text.
"""

import re

import msgspec

from gateway.model.errors import GatewayError

_ALPHABET = {
    character: format(value, "06b")
    for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
_PADDING = 24
"""Encoders fill up to 6, 8 or 24 bits; so many or more zeros are no padding."""
_LETTERS = 26
_RUN = re.compile("1+")


class RefusedString(GatewayError):  # noqa: N818 - the word of the glossary
    """A consent string cannot be read without doubt. `why` is fixed text without any value."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Vendors(msgspec.Struct, frozen=True):
    """Vendor ids as ranges in ascending order, both ends included."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, vendor: int) -> bool:
        return any(first <= vendor <= last for first, last in self.ranges)


class Bits:
    """One segment of a string, read from its first bit to its last.

    Raises:
        RefusedString: from here and every method, where the text is none of its alphabet or too short.
    """

    __slots__ = ("_at", "_bits")

    def __init__(self, text: str) -> None:
        try:
            self._bits = "".join([_ALPHABET[character] for character in text])
        except KeyError:
            raise RefusedString("a character that is not base64url") from None
        self._at = 0

    @property
    def left(self) -> int:
        """How many bits are not read yet."""
        return len(self._bits) - self._at

    def take(self, width: int) -> str:
        """The next bits as text of 0 and 1."""
        start = self._at
        self._at = start + width
        if self._at > len(self._bits):
            raise RefusedString("it ends too early")
        return self._bits[start : self._at]

    def number(self, width: int) -> int:
        """The next bits as a big-endian number."""
        return int(self.take(width), 2)

    def flag(self) -> bool:
        return self.take(1) == "1"

    def places(self, width: int) -> frozenset[int]:
        """The places, from 1, of the ones among the next bits."""
        return frozenset(place for place, bit in enumerate(self.take(width), 1) if bit == "1")

    def letters(self) -> None:
        """Pass over two letters of six bits each."""
        if self.number(6) >= _LETTERS or self.number(6) >= _LETTERS:
            raise RefusedString("a letter that does not exist")

    def fibonacci(self) -> int:
        """A number of 1 or more in Fibonacci coding, which ends in two ones (GPP, "Fibonacci Encoding")."""
        end = self._bits.find("11", self._at)
        if end < 0:
            raise RefusedString("a number does not end")
        low, high, total = 1, 2, 0
        for bit in self.take(end + 2 - self._at)[:-1]:
            total += low if bit == "1" else 0
            low, high = high, low + high
        return total

    def vendors(self) -> Vendors:
        """A section of vendors: the highest id, then a bit for each id or ranges (TCF, "Vendor Consent")."""
        highest = self.number(16)
        if self.flag():
            return self.ranges(highest)
        return Vendors(tuple((run.start() + 1, run.end()) for run in _RUN.finditer(self.take(highest))))

    def ranges(self, highest: int) -> Vendors:
        """Ranges of ids in ascending order, none above `highest`."""
        found: list[tuple[int, int]] = []
        last = 0
        for _ in range(self.number(12)):
            single = not self.flag()
            first = self.number(16)
            end = first if single else self.number(16)
            if not (last < first <= end <= highest) or (end == first and not single):
                raise RefusedString("ranges that are out of order or of bounds")
            last = end
            # Neighbours count as one, so that the same vendors are equal however they are written.
            if found and found[-1][1] + 1 == first:
                found[-1] = (found[-1][0], end)
            else:
                found.append((first, end))
        return Vendors(tuple(found))

    def end(self) -> None:
        """Nothing but padding is left: fewer than 24 bits, all of them zero."""
        if self.left >= _PADDING or "1" in self._bits[self._at :]:
            raise RefusedString("it goes on after its end")
