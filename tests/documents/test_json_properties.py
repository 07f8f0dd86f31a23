"""JSON edits over generated documents, against a slow reference that knows nothing of raw text."""

import json

import pytest
from edits import edit_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.documents.json_body import open_json
from gateway.documents.json_rewrite import Rewrite, decode_members
from gateway.documents.selection import automaton_of
from gateway.model.address import Address, Child, Descend, Every, Index, Place, parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Rest


def upper(text: str) -> str:
    return text.upper()


KEEP, DROP, BLANK, UPPER = Retain(), Remove(), Empty(), Replace(upper)
PASS = Rest.PASS


NAMES = st.sampled_from(["a", "b", "é", "n:1", "x y", "\n", '"'])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
STEPS = st.lists(
    st.one_of(
        NAMES.map(Child),
        st.integers(-3, 3).map(Index),
        st.just(Every()),
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def addresses(draw, *, indexes: bool = True):
    steps = []
    for step in draw(STEPS):
        if draw(st.integers(0, 3)) == 0:
            steps.append(Descend())
        steps.append(Every() if isinstance(step, Index) and not indexes else step)
    text = "$"
    for step in steps:
        match step:
            case Descend():
                text += ".."
            case Child(name):
                escaped = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
                text += f"['{escaped}']"
            case Index(position):
                text += f"[{position}]"
            case Every():
                text += "[*]"
    address = parse_address(text)
    assert address.steps == tuple(steps)
    return address


LAYOUTS = st.sampled_from(
    [
        {"separators": (",", ":"), "ensure_ascii": False},
        {"separators": (",", ":")},
        {"indent": 2},
        {"separators": (" ,\n", "\t: ")},
        {},
    ]
)


def selected(value, steps):
    """The paths that an address selects, by RFC 9535 read literally."""
    if not steps:
        return [()]
    step, rest = steps[0], steps[1:]
    if isinstance(step, Descend):
        found = selected(value, rest)
        for key, member in children(value):
            found += [(key, *path) for path in selected(member, steps)]
        return found
    found = []
    for key, member in children(value):
        if isinstance(step, Child):
            fits = isinstance(value, dict) and key == step.name
        elif isinstance(step, Index):
            fits = isinstance(value, list) and key in (step.position, step.position + len(value))
        else:
            fits = True
        if fits:
            found += [(key, *path) for path in selected(member, rest)]
    return found


def children(value):
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def leaves(value, path=()):
    inner = children(value)
    if not inner:
        yield path, value
    for key, member in inner:
        yield from leaves(member, (*path, key))


def covered(paths, leaf):
    return any(leaf[: len(path)] == path for path in paths)


def expected_counts(found):
    """Each value counts for its first field, unless a container of it went to that field or an earlier one."""
    first = {}
    for field, paths in enumerate(found):
        for path in paths:
            first.setdefault(path, field)
    counts = [0] * len(found)
    for path, field in first.items():
        if all(first.get(path[:cut], len(found)) > field for cut in range(len(path))):
            counts[field] += 1
    return tuple(counts)


class Number(str):
    __slots__ = ()


def lexemes(body):
    return json.loads(body, parse_int=Number, parse_float=Number)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.lists(addresses(), max_size=3), LAYOUTS)
def test_under_rest_drop_exactly_the_listed_leaves_stay(value, listed, layout):
    body = json.dumps(value, **layout).encode()
    fields = tuple(FieldEdit(index, address, KEEP) for index, address in enumerate(listed))
    edited = open_json(body, DEFAULT_LIMITS).edit(PartEdit(fields, Rest.DROP, len(fields)))
    tree = lexemes(body)
    paths = [path for address in listed for path in selected(tree, address.steps)]
    expected = [str(leaf) for path, leaf in leaves(tree) if covered(paths, path)]
    left = lexemes(edited.content)
    if expected:
        assert [str(leaf) for _, leaf in leaves(left)] == expected
    else:
        assert left in ({}, [], None)
    assert (edited.unlisted == 0) == (all(covered(paths, path) for path, _ in leaves(tree)) or tree in ({}, []))
    if edited.unlisted == 0:
        assert edited.content is body


@settings(max_examples=300, deadline=None)
@given(VALUES, st.lists(addresses(), min_size=1, max_size=3), LAYOUTS)
def test_under_rest_pass_exactly_the_listed_leaves_go(value, listed, layout):
    body = json.dumps(value, **layout).encode()
    fields = tuple(FieldEdit(index, address, DROP) for index, address in enumerate(listed))
    edited = open_json(body, DEFAULT_LIMITS).edit(PartEdit(fields, Rest.PASS, len(fields)))
    tree = lexemes(body)
    paths = [path for address in listed for path in selected(tree, address.steps)]
    scalars = [str(leaf) for path, leaf in leaves(tree) if not covered(paths, path) and leaf not in ({}, [])]
    assert [str(leaf) for _, leaf in leaves(lexemes(edited.content)) if leaf not in ({}, [])] == scalars
    assert edited.counts == expected_counts([selected(tree, address.steps) for address in listed])
    if not paths:
        assert edited.content is body


@settings(max_examples=200, deadline=None)
@given(
    VALUES,
    st.lists(st.tuples(addresses(indexes=False), st.sampled_from([KEEP, BLANK])), min_size=1, max_size=3),
    st.sampled_from(list(Rest)),
    LAYOUTS,
)
def test_a_second_edit_changes_nothing(value, listed, rest, layout):
    body = json.dumps(value, **layout).encode()
    fields = tuple(FieldEdit(index, address, operation) for index, (address, operation) in enumerate(listed))
    edit = PartEdit(fields, rest, len(fields))
    once = open_json(body, DEFAULT_LIMITS).edit(edit).content
    assert open_json(once, DEFAULT_LIMITS).edit(edit).content is once


@settings(max_examples=200, deadline=None)
@given(VALUES, addresses(), LAYOUTS)
def test_reading_finds_what_the_reference_finds(value, address, layout):
    body = json.dumps(value, **layout).encode()
    found = []
    for path in set(selected(value, address.steps)):
        leaf = lexemes(body)
        for key in path:
            leaf = leaf[key]
        if leaf is not None and not isinstance(leaf, dict | list):
            found.append({True: "true", False: "false"}.get(leaf, leaf) if isinstance(leaf, bool) else str(leaf))
    assert sorted(open_json(body, DEFAULT_LIMITS).read(address)) == sorted(found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NAMES, LEAVES), max_size=6), LAYOUTS)
def test_a_name_twice_is_noticed_in_every_layout(pairs, layout):
    separators = layout.get("separators", (", ", ": "))
    members = [separators[1].join((json.dumps(name), json.dumps(leaf))) for name, leaf in pairs]
    body = ("{" + separators[0].join(members) + "}").encode()
    document = open_json(body, DEFAULT_LIMITS)
    edit = edit_of(PASS, ("$.a", KEEP))
    if len({name for name, _ in pairs}) == len(pairs):
        assert document.edit(edit).content is body
    else:
        with pytest.raises(Unreadable):
            document.edit(edit)


OPERATIONS = st.sampled_from([KEEP, DROP])


@settings(max_examples=200, deadline=None)
@given(
    listed=st.dictionaries(NAMES, OPERATIONS, max_size=4),
    rest=st.sampled_from(list(Rest)),
    documents=st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=5),
    indent=st.sampled_from([None, 1]),
)
def test_objects_with_the_same_names_meet_the_same_fate_as_alone(listed, rest, documents, indent):
    fields = tuple(
        FieldEdit(index, Address(Place.BODY, f"$.{index}", steps=(Child(name),)), operation)
        for index, (name, operation) in enumerate(listed.items())
    )
    shared = PartEdit(fields, rest, len(fields))
    single = PartEdit(fields, rest, len(fields))
    for document in documents * 2:
        body = json.dumps(document, ensure_ascii=False, indent=indent).encode()
        opened = open_json(body, DEFAULT_LIMITS)
        alone = Rewrite(automaton_of(single), single, collapse_duplicates=False)
        expected = alone.root(body, decode_members(body))
        edited = opened.edit(shared)
        assert (edited.content, list(edited.counts), edited.unlisted) == (expected, alone.counts, alone.unlisted)
        assert (edited.content is body) == (expected is body)
