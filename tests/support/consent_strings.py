"""Writes TC and GPP strings, from the text of their specifications and nothing of the gateway's."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

DAY = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
CORE = {
    "version": 2, "created": DAY * 10, "updated": DAY * 10, "cmp": 880, "cmp_version": 1, "screen": 1,
    "language": "EN", "list": 120, "policy": 5, "specific": 1, "texts": 0, "features": 0, "consent": (),
    "interest": (), "one": 0, "country": "DE",
}  # fmt: skip


def bits(number, width):
    assert 0 <= number < 1 << width
    return f"{number:b}".rjust(width, "0")


def letters(pair):
    return "".join(bits(ord(letter) - ord("A"), 6) for letter in pair)


def flags(places, width):
    return "".join("1" if place in places else "0" for place in range(1, width + 1))


def text(binary, unit=24):
    """The bits as base64url, filled up with zeros to a multiple of `unit`."""
    binary += "0" * (-len(binary) % unit)
    whole = binary + "0" * (-len(binary) % 24)
    octets = int(whole or "0", 2).to_bytes(len(whole) // 8, "big")
    return urlsafe_b64encode(octets).decode()[: -(-len(binary) // 6)]


def groups(ids):
    """Ascending ids as runs of neighbours."""
    found = []
    for each in sorted(ids):
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return found


def ranges(ids):
    written = bits(len(groups(ids)), 12)
    for first, last in groups(ids):
        written += "0" + bits(first, 16) if first == last else "1" + bits(first, 16) + bits(last, 16)
    return written


def vendors(ids, *, ranged=False, highest=None):
    highest = max(ids, default=0) if highest is None else highest
    return bits(highest, 16) + ("1" + ranges(ids) if ranged else "0" + flags(ids, highest))


def core_bits(*, consented=(), interested=(), ranged=False, restrictions=(), **changed):
    core = CORE | changed
    written = bits(core["version"], 6) + bits(core["created"], 36) + bits(core["updated"], 36)
    written += bits(core["cmp"], 12) + bits(core["cmp_version"], 12) + bits(core["screen"], 6)
    written += letters(core["language"]) + bits(core["list"], 12) + bits(core["policy"], 6)
    written += bits(core["specific"], 1) + bits(core["texts"], 1) + bits(core["features"], 12)
    written += flags(core["consent"], 24) + flags(core["interest"], 24) + bits(core["one"], 1)
    written += letters(core["country"]) + vendors(consented, ranged=ranged) + vendors(interested, ranged=ranged)
    written += bits(len(restrictions), 12)
    for purpose, kind, ids in restrictions:
        written += bits(purpose, 6) + bits(kind, 2) + ranges(ids)
    return written


def disclosed_bits(ids, *, ranged=False):
    return bits(1, 3) + vendors(ids, ranged=ranged)


def publisher_bits(custom=0):
    return bits(3, 3) + "0" * 48 + bits(custom, 6) + "10" * custom


def tc_string(*, disclosed=None, publisher=None, ranged=False, unit=24, **core):
    consented = core.get("consented", ())
    parts = [
        core_bits(ranged=ranged, **core),
        disclosed_bits(consented if disclosed is None else disclosed, ranged=ranged),
    ]
    if publisher is not None:
        parts.append(publisher_bits(publisher))
    return ".".join(text(part, unit) for part in parts)


def fibonacci(number):
    """Zeckendorf's sum from its smallest part, and a one that ends it."""
    parts = [1, 2]
    while parts[-1] <= number:
        parts.append(parts[-1] + parts[-2])
    word = ""
    for part in reversed(parts):
        if part <= number:
            word, number = "1" + word, number - part
        elif word:
            word = "0" + word
    return word + "1"


def id_range(ids):
    written = bits(len(groups(ids)), 12)
    seen = 0
    for first, last in groups(ids):
        written += ("0" if first == last else "1") + fibonacci(first - seen)
        written += "" if first == last else fibonacci(last - first)
        seen = last
    return written


def gpp_header(ids, unit=6):
    return text(bits(3, 6) + bits(1, 6) + id_range(ids), unit)


def gpp_string(sections):
    """`sections`: text of each by its id."""
    return "~".join([gpp_header(sections), *(sections[each] for each in sorted(sections))])


def us_section(fields, *, version=1, gpc=None, unit=6):
    """A core of fields of two bits, and perhaps the segment that repeats Global Privacy Control."""
    core = text(bits(version, 6) + "".join(bits(each, 2) for each in fields), unit)
    return core if gpc is None else core + "." + text("01" + str(int(gpc)), unit)


def headed_section(number, fields, *, segment=None, unit=6):
    """A section with a header; `segment` is the bits of what comes after the core."""
    header = text(bits(number, 6) + bits(1, 6) + id_range([1] if segment else []), unit)
    core = text(bits(1, 6) + "".join(bits(each, 2) for each in fields), unit)
    return ".".join([header, core] + ([text(segment, unit)] if segment else []))
