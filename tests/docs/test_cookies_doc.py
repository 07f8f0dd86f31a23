"""docs/cookies.md: its rules compile, and do what the text says."""

import re
from pathlib import Path

from gateway.engine.engine import Engine
from gateway.engine.step import Send
from gateway.engine.trial import PAPER_KEYS, GivenFacts, try_exchange
from gateway.model.identity import Identity, IdentitySource
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead, header_values
from gateway.policy.compile import compile_policy

TEXT = (Path(__file__).parents[2] / "docs" / "cookies.md").read_text()
(RULES,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COOKIES = [line.encode() for line in re.findall(r"^    Cookie: (.*)$", TEXT, re.MULTILINE)]
DELETED = [line.encode() for line in re.findall(r"^    Set-Cookie: (.*)$", TEXT, re.MULTILINE)]


def test_the_example_does_what_the_text_says():
    policy, diagnostics = compile_policy({"example.yaml": RULES}, today="2026-11-23")
    assert policy is not None
    assert diagnostics == []

    head = RequestHead("GET", b"/", "www.shop.example", ((b"Cookie", COOKIES[0]),))
    answer = ResponseHead(200, ((b"Set-Cookie", b"session=9"), (b"Set-Cookie", b"_ga=4")))
    ann = Identity(IdentitySource.TOKEN, "ann", float("inf"))
    trial = try_exchange(
        Engine(policy, PAPER_KEYS, DEFAULT_LIMITS), head, b"", GivenFacts(0.0, identity=ann), (answer, b"")
    )

    assert isinstance(trial.request, Send)
    assert isinstance(trial.response, Send)
    assert header_values(trial.request.outgoing.headers, b"cookie") == [COOKIES[1]]
    lines = header_values(trial.response.outgoing.headers, b"set-cookie")
    assert lines[: 1 + len(DELETED)] == [b"session=9; HttpOnly", *DELETED]
    assert all(line.startswith(b"_ga_K7=; Max-Age=0") for line in lines[1 + len(DELETED) :])
