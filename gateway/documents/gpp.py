"""Strings of the IAB Global Privacy Platform, version 1, decoded strictly, for what they opt out of.

Source: "Global Privacy Platform String" and its sections (IAB Tech Lab). A section that is not known
here could hold an opt-out, so it refuses the string.
"""

import re

import msgspec

from gateway.documents.consent_bits import Bits, RefusedString
from gateway.documents.gpp_sections import HEADED, OPTED_OUT, PLAIN, SENSITIVE, Layout
from gateway.documents.tcf import TcString, decode_tc_string

LONGEST = 16384
"""Characters that a string may have."""

_HEADER_TYPE = 3
_HEADER_VERSION = 1
_TCF_EU, _TCF_CANADA, _US_PRIVACY = 2, 5, 6
_HIGHEST_SECTION = 63
_GPC_TYPE = 1
_UNDEFINED = 3
_CANADA = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_US_PRIVACY_STRING = re.compile(r"1[YN-]([YN-])[YN-]")


class GppString(msgspec.Struct, frozen=True):
    """`opted_out` of sale, sharing or targeted advertising in any section; `gpc` as a section repeats the signal."""

    opted_out: bool = False
    gpc: bool = False
    tcf: TcString | None = None


def decode_gpp_string(text: str) -> GppString:
    """Decode a whole string, all of its sections.

    Raises:
        RefusedString: any part of it is not one that its specification allows.
    """
    if len(text) > LONGEST:
        raise RefusedString("it is too long")
    header, *sections = text.split("~")
    ids = _header(Bits(header))
    if len(ids) != len(sections):
        raise RefusedString("other sections than its header names")
    found = GppString()
    for number, section in zip(ids, sections, strict=True):
        said = _section(number, section)
        found = GppString(found.opted_out or said.opted_out, found.gpc or said.gpc, said.tcf or found.tcf)
    return found


def _header(bits: Bits) -> list[int]:
    if bits.number(6) != _HEADER_TYPE or bits.number(6) != _HEADER_VERSION:
        raise RefusedString("another version of the format")
    ids = _id_range(bits)
    bits.end()
    return ids


def _id_range(bits: Bits) -> list[int]:
    """Ids in ascending order, each written as its distance from the one before (GPP, "Range (Fibonacci)")."""
    ids: list[int] = []
    last = 0
    for _ in range(bits.number(12)):
        group = bits.flag()
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if group else first
        if last > _HIGHEST_SECTION:
            raise RefusedString("a section that is not known")
        ids.extend(range(first, last + 1))
    return ids


def _section(number: int, text: str) -> GppString:
    if number == _TCF_EU:
        return GppString(tcf=decode_tc_string(text))
    if number == _TCF_CANADA:
        if _CANADA.fullmatch(text) is None:
            raise RefusedString("a character that is not base64url")
        return GppString()
    if number == _US_PRIVACY:
        match = _US_PRIVACY_STRING.fullmatch(text)
        if match is None:
            raise RefusedString("a US Privacy section that is none")
        return GppString(opted_out=match[1] == "Y")
    if number in PLAIN:
        return _plain(PLAIN[number], text.split("."))
    if number in HEADED:
        return _headed(number, HEADED[number], text.split("."))
    raise RefusedString("a section that is not known")


def _plain(layouts: tuple[Layout, ...], segments: list[str]) -> GppString:
    """A section of a core and perhaps what repeats Global Privacy Control."""
    core = Bits(segments[0])
    # A longer edition only adds fields at the end, so what fits both says the same in both.
    layout = next((each for each in layouts if each.size <= core.left), layouts[-1])
    if core.number(6) not in layout.versions:
        raise RefusedString("another version of a section")
    if len(segments) > (2 if layout.gpc else 1):
        raise RefusedString("more segments than the section has")
    opted_out = _opted_out(core, layout)
    return GppString(opted_out, len(segments) > 1 and _gpc(Bits(segments[1])))


def _headed(number: int, layout: Layout, segments: list[str]) -> GppString:
    """A section that begins with a header of its own, which names the segments after the core."""
    header = Bits(segments[0])
    if header.number(6) != number or header.number(6) not in layout.versions:
        raise RefusedString("another version of a section")
    named = _id_range(header)
    header.end()
    if named not in ([], [1]) or len(segments) != 2 + len(named):
        raise RefusedString("other segments than the section names")
    core = Bits(segments[1])
    core.take(6)  # the version of the agreement
    opted_out = _opted_out(core, layout)
    if not named:
        return GppString(opted_out)
    if layout.gpc:
        return GppString(opted_out, _gpc(Bits(segments[2])))
    consents = Bits(segments[2])
    _fields(consents, SENSITIVE)
    consents.end()
    return GppString(opted_out)


def _opted_out(bits: Bits, layout: Layout) -> bool:
    _fields(bits, layout.before)
    choices = _fields(bits, layout.choices)
    _fields(bits, layout.after)
    bits.end()
    return OPTED_OUT in choices


def _fields(bits: Bits, count: int) -> list[int]:
    """Fields of two bits, of which three is not defined."""
    found = [bits.number(2) for _ in range(count)]
    if _UNDEFINED in found:
        raise RefusedString("a value that is not defined")
    return found


def _gpc(bits: Bits) -> bool:
    if bits.number(2) != _GPC_TYPE:
        raise RefusedString("a segment that is not known")
    signalled = bits.flag()
    bits.end()
    return signalled
