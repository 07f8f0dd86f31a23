"""GPP strings against an encoder that was written from the specification alone."""

import contextlib

import consent_strings as write
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.consent_bits import Bits, RefusedString
from gateway.documents.gpp import LONGEST, GppString, decode_gpp_string
from gateway.documents.tcf import decode_tc_string

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SILENT = GppString()
FIELDS = {
    7: ((6, 3, 18), (6, 3, 23)), 8: ((3, 2, 15),), 9: ((3, 2, 12),), 10: ((3, 2, 11),), 11: ((4, 2, 12),),
    12: ((3, 2, 14),), 13: ((3, 2, 15),), 14: ((3, 2, 15),), 15: ((3, 2, 18),), 16: ((3, 2, 13),), 17: ((3, 2, 18),),
    18: ((4, 2, 12),), 19: ((3, 2, 13),), 20: ((3, 2, 15),), 21: ((3, 2, 19),), 22: ((3, 2, 13),), 23: ((3, 2, 13),),
}  # fmt: skip
"""Fields before, of and after the choices, for each edition of a section, as their specifications list them."""
HEADED = {24: (5, 2, 1), 25: (5, 2, 2), 26: (5, 2, 2), 27: (5, 2, 2)}
WITHOUT_GPC = {9, 11, 13}
EDITIONS = [(number, edition) for number, editions in FIELDS.items() for edition in editions]


def refused(text):
    with pytest.raises(RefusedString):
        decode_gpp_string(text)
    return True


@pytest.mark.parametrize(
    ("number", "word"),
    [(1, "11"), (2, "011"), (3, "0011"), (4, "1011"), (5, "00011"), (6, "10011"), (7, "01011")],
)
def test_fibonacci_numbers_as_the_specification_lists_them(number, word):
    assert write.fibonacci(number) == word
    assert Bits(write.text(word)).fibonacci() == number


@given(st.integers(1, 1 << 40))
def test_fibonacci_numbers_come_back(number):
    assert Bits(write.text(write.fibonacci(number))).fibonacci() == number


@pytest.mark.parametrize(
    ("ids", "headers"),
    [
        ([], ("DBAA",)),
        ([2], ("DBABM", "DBABMA", "DBABMAAA")),
        ([2, 6], ("DBACNY", "DBACNYA", "DBACNYAA")),
        ([5, 6], ("DBABjw", "DBABjwAA")),
    ],
)
def test_headers_as_the_specification_and_its_libraries_write_them(ids, headers):
    tc_string = write.tc_string()
    bodies = {2: tc_string, 5: "CPXxRfA.YAAA", 6: "1YNN"}
    for header in headers:
        found = decode_gpp_string("~".join([header, *(bodies[each] for each in ids)]))
        assert found == GppString(tcf=decode_tc_string(tc_string) if 2 in ids else None)
    assert write.gpp_header(ids) in {headers[0], headers[0] + "A"}


@pytest.mark.parametrize(
    ("number", "section", "expected"),
    [
        (6, "1YYN", GppString(opted_out=True)),
        (6, "1NYY", GppString(opted_out=True)),
        (6, "1YNN", SILENT),
        (6, "1---", SILENT),
        (7, "BVVVkkkkklWA.YA", GppString(opted_out=True, gpc=True)),
        (7, "BVVVkkkkkpFY.YA", GppString(opted_out=True, gpc=True)),
        (7, "BAAAAAAAAQA", SILENT),
        (7, "BAAAAAAAAABA", SILENT),
        (8, "BVWSSSVY.YA", GppString(opted_out=True, gpc=True)),
        (8, "BAAAAABA", SILENT),
        (16, "BVWSSVWA.YA", GppString(opted_out=True, gpc=True)),
        (16, "BAAAAAQA.QA", SILENT),
        (26, "aBABYA.BVVV.kkk", GppString(opted_out=True)),
        (27, "bBABYA.BVVV.kkk", GppString(opted_out=True)),
    ],
)
def test_sections_as_the_libraries_of_the_iab_write_them(number, section, expected):
    assert decode_gpp_string(f"{write.gpp_header([number])}~{section}") == expected


@pytest.mark.parametrize(("number", "edition"), EDITIONS)
def test_each_choice_of_each_section_counts_by_itself(number, edition):
    before, choices, _ = edition
    size = sum(edition)
    for place in range(size):
        for value in (0, 1, 2):
            fields = [2 * (at < before) for at in range(size)]
            fields[place] = value
            for unit in (6, 24):
                found = decode_gpp_string(write.gpp_string({number: write.us_section(fields, unit=unit)}))
                assert found.opted_out is (before <= place < before + choices and value == 1), (place, value)
        fields[place] = 3
        assert refused(write.gpp_string({number: write.us_section(fields)}))


@pytest.mark.parametrize("number", HEADED)
def test_each_choice_of_a_section_with_a_header_counts_by_itself(number):
    before, choices, after = HEADED[number]
    for place in range(before + choices + after):
        for value in (0, 1, 2):
            fields = [0] * (before + choices + after)
            fields[place] = value
            found = decode_gpp_string(write.gpp_string({number: write.headed_section(number, fields)}))
            assert found.opted_out is (before <= place < before + choices and value == 1), (place, value)


@pytest.mark.parametrize("number", FIELDS)
def test_global_privacy_control_is_repeated_where_the_section_has_it(number):
    fields = [0] * sum(FIELDS[number][0])
    for signal in (True, False):
        string = write.gpp_string({number: write.us_section(fields, gpc=signal)})
        if number in WITHOUT_GPC:
            assert refused(string)
        else:
            assert decode_gpp_string(string) == GppString(gpc=signal)


def test_global_privacy_control_of_maryland_stands_behind_its_header():
    fields = [0] * 8
    for signal in (True, False):
        section = write.headed_section(24, fields, segment=f"01{int(signal)}")
        assert decode_gpp_string(write.gpp_string({24: section})) == GppString(gpc=signal)


def test_one_section_that_opts_out_is_enough():
    silent = write.us_section([0] * 20)
    tc_string = write.tc_string(consent={3})
    string = write.gpp_string({2: tc_string, 6: "1YYN", 8: silent, 9: write.us_section([0] * 17)})

    assert decode_gpp_string(string) == GppString(opted_out=True, tcf=decode_tc_string(tc_string))


CALIFORNIA = write.us_section([0] * 20)
HEADER = write.gpp_header([8])


@pytest.mark.parametrize(
    "text",
    [
        "", "~", "D", "DBAA~", HEADER, f"{HEADER}~", f"{HEADER}~{CALIFORNIA}~{CALIFORNIA}", f"~{CALIFORNIA}",
        f"{HEADER}AAAA~{CALIFORNIA}", f"{HEADER}~{CALIFORNIA}AAAA", f"{HEADER}~{CALIFORNIA[:-2]}",
        f"{HEADER}~{CALIFORNIA}.", f"{HEADER}~{CALIFORNIA}.Y.Y", f"{HEADER}~{CALIFORNIA}.w",
        f"{HEADER}~{CALIFORNIA}.YB",
        f"{HEADER}~{CALIFORNIA}=", f"C{HEADER[1:]}~{CALIFORNIA}", f"DC{HEADER[2:]}~{CALIFORNIA}",
        f"{HEADER}~C{CALIFORNIA[1:]}", "DBABTA~2YNN", "DBABTA~1YN", "DBABTA~1ynn", "DBABTA~1YNNN",
        write.gpp_string({2: write.tc_string(policy=2)}), write.gpp_string({5: "CP xx"}), write.gpp_string({5: ""}),
        *(write.gpp_string({number: CALIFORNIA}) for number in (1, 3, 4, 28, 63, 64, 1000)),
        write.gpp_string({24: write.us_section([0] * 8)}), write.gpp_string({24: write.headed_section(25, [0] * 8)}),
        write.gpp_string({24: write.headed_section(24, [0] * 8) + ".YA"}),
        write.gpp_string({25: write.headed_section(25, [0] * 9, segment="11" * 8)}),
        write.text("000011000001" + "000000000001" + "0" + "0" * 40), "DB" + "_" * 40,
        HEADER + "~" + "A" * LONGEST,
    ],
)  # fmt: skip
def test_what_cannot_be_read_without_doubt_is_refused(text):
    assert refused(text)


@given(st.data())
def test_what_was_encoded_is_decoded(data):
    opted_out = signalled = False
    sections = {}
    for number in data.draw(st.sets(st.sampled_from([*FIELDS, *HEADED]), max_size=8)):
        edition = data.draw(st.sampled_from(FIELDS[number])) if number in FIELDS else HEADED[number]
        fields = data.draw(st.lists(st.integers(0, 2), min_size=sum(edition), max_size=sum(edition)))
        unit = data.draw(st.sampled_from([6, 24]))
        opted_out |= 1 in fields[edition[0] : edition[0] + edition[1]]
        if number in FIELDS:
            gpc = None if number in WITHOUT_GPC else data.draw(st.sampled_from([None, True, False]))
            signalled |= bool(gpc)
            sections[number] = write.us_section(fields, gpc=gpc, unit=unit)
        else:
            sections[number] = write.headed_section(number, fields, unit=unit)

    assert decode_gpp_string(write.gpp_string(sections)) == GppString(opted_out, signalled)


@given(
    st.text(ALPHABET + ".~", max_size=300)
    | st.text(max_size=60)
    | st.from_regex(r"DBA[A-Za-z0-9_-]{1,12}~B[A-Za-z0-9_.~-]*")
)
def test_nothing_but_a_refusal_is_raised(text):
    with contextlib.suppress(RefusedString):
        decode_gpp_string(text)


def test_every_flipped_bit_is_refused_or_says_what_it_says():
    fields = [2, 1, 0, 2, 2, *[0] * 15]
    whole = write.gpp_string({8: write.us_section(fields, gpc=False)})
    header, _, section = whole.partition("~")
    core, _, signal = section.partition(".")
    for place in range(6 * len(core)):
        at = place // 6
        other = ALPHABET[ALPHABET.index(core[at]) ^ (1 << (5 - place % 6))]
        field, bit = divmod(place - 6, 2)
        text = f"{header}~{core[:at]}{other}{core[at + 1 :]}.{signal}"
        said = [*fields]
        if 0 <= field < len(fields):
            said[field] ^= 2 >> bit
        if place < 6 or field >= len(fields) or said[field] == 3:
            assert refused(text), place
        else:
            assert decode_gpp_string(text) == GppString(opted_out=1 in said[3:5]), place
