"""P3 and P7 over the whole engine: for any JSON document and any listed address."""

import itertools
import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rulebook import engine, run

from gateway.engine.step import Send

ROUTES = """
routes:
  - name: things
    match: {{method: POST, path: /things}}
    to: shop
    mode: {mode}
    request:
      fields:
        {address}: {{is: contact.email, for: service{action}}}
      rest: {rest}
    response: {{rest: pass}}
"""
NAMES = st.sampled_from(["a", "b", "c", "ü", "d e"])
NUMBERS = ["12345678901234567890.10", "1e400", "-0.0", "1E+2", "0"]


@st.composite
def documents(draw, depth=0):
    """JSON text built by hand, so that odd spellings survive, with a unique mark in every string."""
    kind = draw(st.sampled_from(["string", "number", "word"] if depth > 3 else ["object", "array", "string", "number"]))
    gap = draw(st.sampled_from(["", " ", "\n  "]))
    if kind == "object":
        names = draw(st.lists(NAMES, unique=True, max_size=4))
        members = [f"{json.dumps(name)}:{gap}{draw(documents(depth=depth + 1))}" for name in names]
        return "{" + gap + ("," + gap).join(members) + "}"
    if kind == "array":
        return "[" + ",".join(draw(st.lists(documents(depth=depth + 1), max_size=4))) + gap + "]"
    if kind == "number":
        return draw(st.sampled_from(NUMBERS))
    if kind == "word":
        return draw(st.sampled_from(["true", "false", "null"]))
    return '"\\u00e9\\/mark-?"'


def marked(text):
    """Give each string a mark of its own."""
    numbers = itertools.count()
    return re.sub(r"mark-\?", lambda _: f"mark-{next(numbers)}", text)


@st.composite
def addresses(draw):
    steps = draw(
        st.lists(st.sampled_from([".a", ".b", "['d e']", "['ü']", "[*]", "[0]", "..a", "..c"]), min_size=1, max_size=3)
    )
    return "$" + "".join(steps)


def parsed(text):
    return json.loads(text, parse_float=str, parse_int=str)


def selected(value, steps):
    """An independent reading of the address: ids of the selected values."""
    found = [value]
    for step in steps:
        if step == "..":
            found = [inner for each in found for inner in descend(each)]
        elif step == "*":
            found = [inner for each in found for inner in children(each)]
        elif isinstance(step, int):
            found = [each[step] for each in found if isinstance(each, list) and len(each) > step]
        else:
            found = [each[step] for each in found if isinstance(each, dict) and step in each]
    return {id(each) for each in found}


def children(value):
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []


def descend(value):
    yield value
    for child in children(value):
        yield from descend(child)


def steps_of(address):
    text = address[1:]
    steps = []
    while text:
        if text.startswith(".."):
            steps += ["..", text[2]]
            text = text[3:]
        elif text.startswith("."):
            steps.append(text[1])
            text = text[2:]
        else:
            inside, _, text = text[1:].partition("]")
            steps.append(inside[1:-1] if inside[0] == "'" else "*" if inside == "*" else int(inside))
    return steps


def marks(text):
    return {part.split('"')[0] for part in text.split("mark-")[1:]}


def kept_marks(value, chosen):
    """Marks of all strings at or below a selected value."""
    if id(value) in chosen:
        return marks(json.dumps(value))
    return set().union(*(kept_marks(child, chosen) for child in children(value))) if children(value) else set()


def send(address, body, **settings_):
    rules = ROUTES.format(address=json.dumps(address), **{"mode": "enforce", "rest": "drop", "action": "", **settings_})
    step = run(engine(rules), body=body.encode()).request
    assert isinstance(step, Send)
    return step.outgoing.body


RUNS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RUNS
@given(documents().map(marked), addresses())
def test_p3_no_unlisted_value_survives_and_every_listed_one_does(text, address):
    value = parsed(text)
    out = send(address, text).decode()

    assert marks(out) == kept_marks(value, selected(value, steps_of(address)))
    json.loads(out)


@RUNS
@given(documents().map(marked), addresses())
def test_p7_untouched_values_keep_their_bytes(text, address):
    value = parsed(text)
    chosen = selected(value, steps_of(address))
    out = send(address, text, rest="pass", action=", as: drop").decode()

    assert marks(out) == marks(text) - kept_marks(value, chosen)
    assert out.count('"\\u00e9\\/mark-') == len(out.split("mark-")) - 1
    if not chosen:
        assert out == text


@RUNS
@given(documents().map(marked), addresses())
def test_p7_observe_is_byte_identical(text, address):
    body = text.encode()

    assert send(address, text, mode="observe") == body
