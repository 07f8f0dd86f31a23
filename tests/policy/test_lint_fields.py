import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.address import Child, Descend, Every, Index, parse_address
from gateway.policy.lint_fields import covers


@pytest.mark.parametrize(
    ("general", "special", "expected"),
    [
        ("$", "$.a", True),
        ("$.a", "$.a", True),
        ("$.a", "$.a.b[0]", True),
        ("$.a.b", "$.a", False),
        ("$.a", "$.b", False),
        ("$[*]", "$.a", True),
        ("$.a", "$[*]", False),
        ("$[*].x", "$[3].x.y", True),
        ("$[0]", "$[-1]", False),
        ("$..email", "$.a.b.email", True),
        ("$..email", "$.email.x", True),
        ("$..email", "$.a", False),
        ("$..email", "$..email", True),
        ("$..email", "$.a..email", True),
        ("$.a..email", "$..email", False),
        ("$..*", "$.a", True),
        ("$..a.b", "$.x.a.b", True),
        ("$..a.b", "$.a.x.b", False),
        ("$.a", "$..a", False),
    ],
)
def test_an_address_covers_what_lies_at_or_below_it(general, special, expected):
    assert covers(parse_address(general).steps, parse_address(special).steps) is expected


STEPS = st.lists(st.sampled_from([Child("a"), Child("b"), Index(0), Every(), Descend()]), max_size=4).map(
    lambda steps: tuple(s for n, s in enumerate(steps) if not (isinstance(s, Descend) and n == len(steps) - 1))
)
DOCUMENT = st.recursive(
    st.just(1),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=8,
)


def selected(value, steps, path=()):
    """Paths of all matches, as RFC 9535 defines them."""
    if not steps:
        return {path}
    step, rest = steps[0], steps[1:]
    below = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if isinstance(step, Descend):
        found = selected(value, rest, path)
        for key, inner in below:
            found |= selected(inner, steps, (*path, key))
        return found
    if isinstance(step, Every):
        return set().union(*(selected(inner, rest, (*path, key)) for key, inner in below))
    wanted = step.name if isinstance(step, Child) else step.position
    return set().union(
        *(selected(inner, rest, (*path, key)) for key, inner in below if key == wanted and type(key) is type(wanted))
    )


@given(STEPS, STEPS, DOCUMENT)
def test_what_is_covered_never_selects_anything_else(general, special, document):
    if covers(general, special):
        outer = selected(document, general)
        for path in selected(document, special):
            assert any(path[: len(prefix)] == prefix for prefix in outer)
