import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.json_limits import check_json_limits
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits

VALUES = st.recursive(
    st.none() | st.integers(-(10**12), 10**12) | st.text(alphabet='[]{},":\\1e', max_size=14),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[":\\1', max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


def measure(value, depth=0):
    """Depth, values, longest number, longest string, longest name: as written by json.dumps."""
    if isinstance(value, str):
        return depth, 1, 0, len(json.dumps(value)) - 2, 0
    if not isinstance(value, dict | list):
        return depth, 1, 0 if value is None else len(str(value)), 0, 0
    inner = list(value.values() if isinstance(value, dict) else value)
    names = [len(json.dumps(name)) - 2 for name in value] if isinstance(value, dict) else []
    found = [measure(member, depth + 1) for member in inner] or [(depth + 1, 0, 0, 0, 0)]
    deepest, counts, numbers, strings, keys = zip(*found, strict=True)
    return max(deepest), 1 + sum(counts), max(numbers), max([*strings, *names]), max([*keys, *names])


@settings(max_examples=400, deadline=None)
@given(VALUES, st.integers(1, 5), st.integers(1, 30), st.integers(1, 13), st.integers(1, 16), st.integers(1, 10))
def test_against_a_reference(value, depth, nodes, number, string, key):
    limits = Limits(json_depth=depth, json_nodes=nodes, json_number=number, json_string=string, json_key=key)
    found = measure(value)
    within = all(size <= limit for size, limit in zip(found, (depth, nodes, number, string, key), strict=True))
    for layout in ({}, {"separators": (",", ":")}, {"indent": 1}):
        body = json.dumps(value, **layout).encode()
        if within:
            check_json_limits(body, limits)
        else:
            with pytest.raises(Unreadable):
                check_json_limits(body, limits)


def test_a_large_document_within_the_limits():
    chooser = random.Random(1)
    value = [{"name": "x" * chooser.randrange(3000), "n": [chooser.random(), "[" * 70]} for _ in range(2000)]
    check_json_limits(json.dumps(value).encode(), Limits())
