"""Lines that are refused for what they are, whoever signed them."""

import pytest

from gateway.audit import commit
from gateway.audit.lines import checkpoint_body, checkpoint_line
from gateway.audit.tree import Tree, leaf_hash


def signed_again(logs, change):
    """The log after `change`, with all indexes, roots and signatures made good with the log's own key."""
    lines = logs.only_segment().read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    tree, result = Tree(), []
    for line in change(lines):
        if b'"kind":"checkpoint"' in line:
            body = checkpoint_body("example.org/log/w0", tree.size, tree.root())
            line = checkpoint_line(commit.Checkpoint(tree.size, tree.root(), logs.key.sign(body)))  # noqa: PLW2901
        result.append(line)
        tree.append(leaf_hash(line))
    logs.only_segment().write_bytes(b"".join(line + b"\n" for line in result))


FORBIDDEN_LINES = {
    "duplicate key": b'{"index":2,"kind":"collect","kind":"collect","time":"%b","version":1}',
    "duplicate key inside": b'{"fields":[{"a":1,"a":1}],"index":2,"kind":"collect","time":"%b","version":1}',
    "not a number": b'{"a":NaN,"index":2,"kind":"collect","time":"%b","version":1}',
    "float": b'{"a":1.5,"index":2,"kind":"collect","time":"%b","version":1}',
    "float index": b'{"index":2.0,"kind":"collect","time":"%b","version":1}',
    "large integer": b'{"a":9007199254740992,"index":2,"kind":"collect","time":"%b","version":1}',
    "unknown kind": b'{"index":2,"kind":"note","time":"%b","version":1}',
    "no kind": b'{"index":2,"time":"%b","version":1}',
    "no version": b'{"index":2,"kind":"collect","time":"%b"}',
    "next version": b'{"index":2,"kind":"collect","time":"%b","version":2}',
    "version true": b'{"index":2,"kind":"collect","time":"%b","version":true}',
    "time without zone": b'{"index":2,"kind":"collect","time":"2026-11-23T13:07:25.123456","version":1}',
    "an array": b'["%b"]',
    "70 KiB": b'{"a":"' + b"x" * 70_000 + b'","index":2,"kind":"collect","time":"%b","version":1}',
    "too deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b',"index":2,"kind":"collect","time":"%b","version":1}',
    "not UTF-8": b'{"a":"\xff","index":2,"kind":"collect","time":"%b","version":1}',
    "a second origin": b'{"index":2,"kind":"open","origin":"else","time":"%b","version":1}',
}


@pytest.mark.parametrize("name", FORBIDDEN_LINES)
def test_lines_that_are_never_good_even_if_signed(logs, name):
    logs.write(groups=1, each=1, close=False)
    line = FORBIDDEN_LINES[name].replace(b"%b", b"2026-11-23T13:07:25.123456Z")
    signed_again(logs, lambda lines: [*lines[:2], line, *lines[3:]])
    assert logs.verdict() == "TAMPERED"


@pytest.mark.parametrize(
    "line",
    [
        b'{"index":2,"kind":"collect","time":"2026-11-23T13:07:25.123456Z","version":1}',
        b'{ "version": 1, "time":"2026-11-23T13:07:25.123456Z", "kind":"policy", "index":2, "a":[[1],{"b":null}]}',
    ],
)
def test_lines_in_another_order_or_depth_are_good_if_signed(logs, line):
    logs.write(groups=1, each=1, close=False)
    signed_again(logs, lambda lines: [*lines[:2], line, *lines[3:]])
    assert logs.verdict() == "VERIFIED"
