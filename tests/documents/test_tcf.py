"""TC strings against an encoder that was written from the specification alone."""

import contextlib
import re
from pathlib import Path

import consent_strings as write
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.consent_bits import RefusedString, Vendors
from gateway.documents.tcf import LONGEST, decode_tc_string

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SPECIFICATION = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA"
"""The worked example of the specification, which carries policy version 2."""


def runs(ids):
    return Vendors(tuple(tuple(pair) for pair in write.groups(ids)))


def flipped(text, place):
    """The text with one bit the other way round."""
    segment, bit = place
    parts = text.split(".")
    character = parts[segment][bit // 6]
    other = ALPHABET[ALPHABET.index(character) ^ (1 << (5 - bit % 6))]
    parts[segment] = parts[segment][: bit // 6] + other + parts[segment][bit // 6 + 1 :]
    return ".".join(parts)


def refusal(text):
    with pytest.raises(RefusedString) as caught:
        decode_tc_string(text)
    return caught.value.why


def test_the_example_of_the_specification_is_read_but_for_its_policy():
    assert "policy" in refusal(SPECIFICATION)

    core, *others = SPECIFICATION.split(".")
    bits = "".join(write.bits(ALPHABET.index(each), 6) for each in core)
    allowed = write.text(bits[:132] + write.bits(4, 6) + bits[138:])
    found = decode_tc_string(".".join([allowed, *others]))

    assert found.vendors == runs({1, 2, 3, 4})
    assert found.disclosed == runs({1, 2, 3, 4, 5, 100, 404})
    assert found.created == 1748908800  # 2025-06-03
    assert found.purposes == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "C" * 5000,
        SPECIFICATION.partition(".")[0],
        "",
        ".",
        "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAA",
        "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA",
        "BObdrPUOevsguAfDqFENCNAAAAAmeAAA.PVAfDObdrA",
        "COw4XqLOw4XqLAAAAAENAXCAAAAAAAAAAAAAAAAAAAAA.IFukWSQgAIQwgI0QEByFAAAAeIAACAIgSAAQAIAgEQACEABAAAgAQFAEAIAAAGBA",
        "${GDPR_CONSENT_123}",
    ],
)
def test_what_circulates_and_is_none_is_refused(text):
    refusal(text)


def test_every_shorter_part_of_a_string_is_refused():
    whole = write.tc_string(consent={1, 3}, consented={2, 700}, disclosed={2, 700}, publisher=2, ranged=True)
    decode_tc_string(whole)
    segments = whole.split(".")

    for number, segment in enumerate(segments):
        ends = len(segment) - 4 if len(segment) > 4 else 0
        for end in range(ends):
            parts = [*segments[:number], segment[:end], *segments[number + 1 :]]
            with pytest.raises(RefusedString):
                decode_tc_string(".".join(parts))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": 1}, "version"),
        ({"version": 3}, "version"),
        ({"updated": write.DAY * 10 + 864_000}, "day"),
        ({"created": write.DAY * 10 + 1, "updated": write.DAY * 10 + 1}, "day"),
        ({"policy": 3}, "policy"),
        ({"specific": 0}, "specific"),
        ({"language": "[A"}, "letter"),
        ({"country": "D["}, "letter"),
        *(({"interest": {purpose}}, "legitimate") for purpose in (3, 4, 5, 6)),
        ({"restrictions": [(0, 0, {1})]}, "restriction"),
        ({"restrictions": [(25, 0, {1})]}, "restriction"),
        ({"restrictions": [(2, 3, {1})]}, "restriction"),
    ],
)
def test_a_core_that_cannot_be_meant_is_refused(changed, why):
    assert why in refusal(write.tc_string(**changed))


def written(core="", disclosed=None):
    core = core or write.core_bits()
    return write.text(core) + "." + write.text(write.disclosed_bits({1}) if disclosed is None else disclosed)


def ranged(*entries, highest=10):
    spelled = "".join(
        "0" + write.bits(e[0], 16) if len(e) == 1 else "1" + write.bits(e[0], 16) + write.bits(e[1], 16)
        for e in entries
    )
    return "001" + write.bits(highest, 16) + "1" + write.bits(len(entries), 12) + spelled


@pytest.mark.parametrize(
    "entries",
    [[(3,), (2,)], [(3,), (3,)], [(2, 5), (5, 7)], [(5, 4)], [(5, 5)], [(0,)], [(0, 3)], [(11,)], [(9, 11)]],
)
def test_ranges_out_of_order_or_bounds_are_refused(entries):
    assert "ranges" in refusal(written(disclosed=ranged(*entries)))
    decode_tc_string(written(disclosed=ranged((1,), (3, 5), (6, 10))))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (written(write.core_bits() + "1"), "end"),
        (write.text(write.core_bits()) + "AAAA." + write.text(write.disclosed_bits({1})), "end"),
        (written(disclosed=write.disclosed_bits({1}) + "001"), "end"),
        (written() + "." + write.text(write.publisher_bits() + "1"), "end"),
        (written() + "." + write.text(write.disclosed_bits({1})), "segment"),
        (written() + "." + write.text("010" + write.vendors({1})), "segment"),
        (written() + "." + write.text("000" + write.vendors({1})), "segment"),
        (written() + "." + write.text("111" + write.vendors({1})), "segment"),
        (".".join([written(), *[write.text(write.publisher_bits())] * 2]), "segment"),
        (written() + ".", "early"),
        (written() + "=", "base64url"),
        (written().replace("A", "+", 1), "base64url"),
        (written() + " ", "base64url"),
        (written() + "\u0130", "base64url"),
        (write.text(write.core_bits()), "missing"),
        (write.tc_string(consented=range(1, 60000), disclosed={1}), "long"),
    ],
)
def test_what_stands_around_it_is_refused(text, why):
    assert why in refusal(text)


def test_segments_after_the_core_come_in_any_order():
    core, disclosed, publisher = write.tc_string(consent={2}, disclosed={7}, publisher=3).split(".")

    assert decode_tc_string(f"{core}.{publisher}.{disclosed}") == decode_tc_string(f"{core}.{disclosed}.{publisher}")


@pytest.mark.parametrize(
    ("purpose", "vendor", "holds"),
    [
        (3, None, True), (4, None, False), (3, 42, True), (3, 43, False), (3, 44, False), (4, 42, False),
        (5, 42, False), (5, 45, True), (6, 42, False), (7, 42, True), (12, None, False), (3, 70000, False),
    ],
)  # fmt: skip
def test_consent_is_for_a_purpose_and_a_vendor_that_was_disclosed(purpose, vendor, holds):
    found = decode_tc_string(
        write.tc_string(
            consent={3, 5, 6, 7},
            consented={42, 44, 45},  # 44 was not disclosed
            disclosed={42, 43, 45},
            restrictions=[(5, 0, {42}), (6, 2, {41, 42}), (7, 1, {42})],
        )
    )

    assert found.consents(purpose, vendor) is holds


IDS = st.sets(st.integers(1, 900), max_size=40)
STRINGS = st.fixed_dictionaries(
    {
        "consent": st.sets(st.integers(1, 24)),
        "interest": st.sets(st.sampled_from([1, 2, *range(7, 25)])),
        "consented": IDS,
        "interested": IDS,
        "disclosed": IDS,
        "ranged": st.booleans(),
        "policy": st.integers(4, 63),
        "publisher": st.none() | st.integers(0, 63),
        "restrictions": st.lists(st.tuples(st.integers(1, 24), st.sampled_from([0, 1, 2]), IDS), max_size=3),
        "unit": st.sampled_from([6, 24]),
    }
)


@given(STRINGS)
def test_what_was_encoded_is_decoded(values):
    found = decode_tc_string(write.tc_string(**values))

    assert (found.created, found.policy_version, found.purposes) == (
        write.DAY, values["policy"], frozenset(values["consent"]),
    )  # fmt: skip
    assert (found.vendors, found.disclosed) == (runs(values["consented"]), runs(values["disclosed"]))
    kept = [(each.purpose, each.vendors) for each in found.restrictions]
    assert kept == [(purpose, runs(ids)) for purpose, kind, ids in values["restrictions"] if kind != 1]


@given(
    st.text(ALPHABET + ".", max_size=400)
    | st.text(max_size=80)
    | st.from_regex(r"C[A-Za-z0-9_-]{30,80}\.I[A-Za-z0-9_-]*")
)
def test_nothing_but_a_refusal_is_raised(text):
    with contextlib.suppress(RefusedString):
        decode_tc_string(text)


FLIPPED = {
    "consent": {1, 4}, "interest": {2}, "consented": {2, 5}, "interested": {9}, "disclosed": {2, 5},
    "restrictions": [(2, 0, {3})], "policy": 4,
}  # fmt: skip


def test_every_flipped_bit_is_refused_or_says_what_it_says():
    """Each bit of a string, by the fields that the specification puts there."""
    whole = write.tc_string(**FLIPPED)
    before = decode_tc_string(whole)
    read, ignored = set(), set()
    for segment, part in enumerate(whole.split(".")):
        for bit in range(6 * len(part)):
            try:
                after = decode_tc_string(flipped(whole, (segment, bit)))
            except RefusedString:
                continue
            (ignored if after == before else read).add((segment, bit))

    purposes = {(0, 152 + place) for place in range(24)}
    core = write.core_bits(**{key: value for key, value in FLIPPED.items() if key != "disclosed"})
    vendors = {(0, 213 + 17 + place) for place in range(5)}
    interests = {(0, 213 + 17 + 5 + 17 + place) for place in range(9)}
    restriction_ids = range(len(core) - 16, len(core))
    assert purposes | vendors <= read
    for place in range(24):
        changed = decode_tc_string(flipped(whole, (0, 152 + place)))
        assert changed.purposes == before.purposes ^ {place + 1}
    for place in range(5):
        assert decode_tc_string(flipped(whole, (0, 230 + place))).vendors == runs({2, 5} ^ {place + 1})
    # Nothing is read that is not consent, and nothing that is consent is passed over.
    meaningful = purposes | vendors | {(1, 20 + place) for place in range(5)}
    meaningful |= {(0, 132 + place) for place in range(6)}  # policy version
    meaningful |= {(0, place) for place in (*restriction_ids, *range(len(core) - 37, len(core)))}
    assert read <= meaningful
    assert interests <= ignored
    assert not ignored & (purposes | vendors)


def test_a_string_of_the_longest_kind_is_read_and_a_longer_one_is_not():
    longest = write.tc_string(consented={40000}, disclosed={1}, ranged=False)
    assert len(longest) < LONGEST
    decode_tc_string(longest)

    assert "long" in refusal(longest + "." + "A" * LONGEST)


def test_no_reason_holds_a_value():
    source = (Path(__file__).parents[2] / "gateway" / "documents").glob("*.py")
    for path in source:
        for raised in re.findall(r"RefusedString\((.*)\)", path.read_text()):
            assert raised.startswith('"') or raised == "GatewayError", raised
