"""TC strings of the IAB Europe Transparency & Consent Framework, version 2.3, decoded strictly.

Source: "Transparency and Consent String with Global Vendor & CMP List Formats" (IAB Tech Lab, April 2025).
A string is a claim of whoever carries it, without a signature; see `policy.decide` for what follows.
"""

import msgspec

from gateway.documents.consent_bits import Bits, RefusedString, Vendors

LONGEST = 8192
"""Characters that a string may have; a Cookie field holds half of that."""

_VERSION = 2
_OLDEST_POLICY = 4
_DAY = 864_000
"""A day in tenths of a second, the unit of both dates."""
_WITHOUT_LEGITIMATE_INTEREST = frozenset({3, 4, 5, 6})
_DISCLOSED, _PUBLISHER = 1, 3
_SEGMENTS = frozenset({_DISCLOSED, _PUBLISHER})
_NOT_ALLOWED, _REQUIRE_CONSENT, _UNDEFINED = 0, 1, 3


class Restriction(msgspec.Struct, frozen=True):
    """The publisher does not let these vendors pursue the purpose on consent."""

    purpose: int
    vendors: Vendors


class TcString(msgspec.Struct, frozen=True):
    """What a string says about consent. `created` is its day, in seconds since the epoch (UTC)."""

    created: int
    policy_version: int
    purposes: frozenset[int]
    vendors: Vendors
    disclosed: Vendors
    restrictions: tuple[Restriction, ...] = ()

    def consents(self, purpose: int, vendor: int | None) -> bool:
        """Whether it holds consent for a purpose and, where one is given, for a vendor.

        A vendor that was not disclosed to the person can have no consent (version 2.3).
        """
        if purpose not in self.purposes:
            return False
        if vendor is None:
            return True
        restricted = any(each.purpose == purpose and vendor in each.vendors for each in self.restrictions)
        return vendor in self.vendors and vendor in self.disclosed and not restricted


def decode_tc_string(text: str) -> TcString:
    """Decode a whole string: core, disclosed vendors, perhaps the publisher's own segment.

    Raises:
        RefusedString: it is not one that version 2.3 allows, to the last bit of its padding.
    """
    if len(text) > LONGEST:
        raise RefusedString("it is too long")
    core, *others = text.split(".")
    segments: dict[int, Bits] = {}
    for other in others:
        bits = Bits(other)
        kind = bits.number(3)
        if kind not in _SEGMENTS or kind in segments:
            raise RefusedString("a segment that version 2.3 does not know, or one that stands twice")
        segments[kind] = bits
    if _DISCLOSED not in segments:
        raise RefusedString("the disclosed vendors are missing")
    disclosed = segments[_DISCLOSED].vendors()
    segments[_DISCLOSED].end()
    if _PUBLISHER in segments:
        _pass_over_publisher(segments[_PUBLISHER])
    return _core(Bits(core), disclosed)


def _core(bits: Bits, disclosed: Vendors) -> TcString:
    if bits.number(6) != _VERSION:
        raise RefusedString("another version of the format")
    created, updated = bits.number(36), bits.number(36)
    if created != updated or created % _DAY:
        raise RefusedString("its dates are not one and the same day")
    bits.take(12 + 12 + 6)  # the consent management platform, its version and screen
    bits.letters()
    bits.take(12)  # the version of the vendor list
    policy_version = bits.number(6)
    if policy_version < _OLDEST_POLICY:
        raise RefusedString("made under a policy that is no longer in force")
    if not bits.flag():
        raise RefusedString("it is not specific to one service")
    bits.take(1 + 12)  # texts that are not the standard's, special features
    purposes, interests = bits.places(24), bits.places(24)
    if interests & _WITHOUT_LEGITIMATE_INTEREST:
        raise RefusedString("legitimate interest for a purpose that cannot rest on it")
    bits.take(1)  # whether purpose 1 was disclosed
    bits.letters()
    vendors = bits.vendors()
    bits.vendors()  # those with a legitimate interest
    restrictions = _restrictions(bits)
    bits.end()
    return TcString(created // 10, policy_version, purposes, vendors, disclosed, restrictions)


def _restrictions(bits: Bits) -> tuple[Restriction, ...]:
    found: list[Restriction] = []
    for _ in range(bits.number(12)):
        purpose, kind = bits.number(6), bits.number(2)
        vendors = bits.ranges(0xFFFF)
        if not 1 <= purpose <= 24 or kind == _UNDEFINED:
            raise RefusedString("a restriction that does not exist")
        if kind != _REQUIRE_CONSENT:
            found.append(Restriction(purpose, vendors))
    return tuple(found)


def _pass_over_publisher(bits: Bits) -> None:
    """The publisher's own purposes say nothing about other recipients; the segment has to be whole all the same."""
    bits.take(24 + 24)
    bits.take(2 * bits.number(6))
    bits.end()
