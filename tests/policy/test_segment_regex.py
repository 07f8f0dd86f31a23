import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.policy.pattern import compile_regex
from gateway.policy.segment_regex import doubt_about

POSSIBLE = [
    "[0-9]+",
    "^[0-9]+$",
    r"\A\d{4}\z",
    "(^a|b)c?",
    "a|/",
    "a?/?",
    "x*^a",
    "a$b*",
    "(?i)abc",
    "(?i:abc)",
    "(?P<year>[0-9]{4})-x",
    "[^/]+",
    "[^/]*",
    "[/a]",
    "[]a]",
    r"[\]a]",
    "[[:alpha:]]+",
    r"\pL+",
    r"\p{Greek}",
    r"[\x{100}-\x{200}]",
    "[α-ω]",
    r"\Qa.b\E",
    r"\bword\b",
    "(/x)?a",
    "(?:/){0}a",
    "(?:/){0,2}a",
    "a{2,}",
    ".+?",
    "/*a",
    r"\\a",
    r"\C",
]
SLASHED = ["a/b", "/", "(/|/b)", r"a\/b", r"\x2f", r"\x{2F}a", r"\057", "[/]", r"\Q/\E", "a/+", "(a|b)(/)", "/{1,2}"]
ANCHORED = ["a^b", "a$b", "(a)(^b|^c)", "a+^", "$a", r"a\Ab", r"\zx", "x(a$)y"]
EMPTY = ["", "^$", "a{0}", "()", r"\b", r"[^\x00-\x{10FFFF}]a"]


@pytest.mark.parametrize("regex", POSSIBLE)
def test_an_expression_that_can_match_is_left_alone(regex):
    compile_regex(regex)
    assert doubt_about(regex) is None


@pytest.mark.parametrize(
    ("regex", "words"),
    [(regex, "slash") for regex in SLASHED]
    + [(regex, "'^' or '$'") for regex in ANCHORED]
    + [(regex, "no text") for regex in EMPTY[:-1]],
)
def test_an_expression_that_never_matches_is_named_with_its_reason(regex, words):
    compile_regex(regex)
    assert words in doubt_about(regex)


ATOMS = st.sampled_from(["a", "b", "/", ".", "^", "$", "[ab]", "[^/]", "[/]", r"\d", r"\/", "(?:a|/)", "(b)"])
PIECES = st.builds(
    lambda atom, count: atom + count, ATOMS, st.sampled_from(["", "", "*", "+", "?", "{0}", "{2}", "{0,1}"])
)
REGEXES = st.lists(PIECES, max_size=4).map("".join)


@given(st.lists(REGEXES, min_size=1, max_size=3).map("|".join), st.text("ab1", min_size=1, max_size=4))
def test_no_expression_that_matches_a_segment_is_doubted(regex, segment):
    try:
        expression = compile_regex(regex)
    except re2.error:
        assume(False)
    if expression.fullmatch(segment.encode()):
        assert doubt_about(regex) is None
