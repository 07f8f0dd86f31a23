"""Cookies on the wire: what the application received, and what the browser got."""

import re
from contextlib import asynccontextmanager

import pytest
from data_port import data_port
from scripted_upstream import answering

from gateway.model.words import ConsentStatus
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

RULES = """
cookies:
  sid: {is: unique_id, for: service}
  _ga: {is: device.cookie_id, for: analytics, http_only: true}
  _ga_*: {is: device.cookie_id, for: analytics}
  _fbp: {is: device.cookie_id, for: ads, max_age: 1h}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request: {rest: pass}
    response: {rest: pass}
"""
IDENTITY = IdentitySettings(trusted_header=TrustedHeader("x-user", ("127.0.0.0/8",)))
SETS = (
    b"sid=1; Path=/; HttpOnly",
    b"_ga=GA1.2; Domain=shop.example; Path=/; HttpOnly",
    b'_ga_X="q; x"; Path=/shop',
    b"_ga_Y=2",
    b"_fbp=3; Expires=Fri, 31 Dec 2100 23:59:59 GMT",
    b"theme=dark; Max-Age=99999999",
)
ANSWER = b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\n%b\r\nContent-Length: 2\r\n\r\nok" % b"\r\n".join(
    b"Set-Cookie: " + line for line in SETS
).replace(b'"q; x"', b'"q"')
BARE = b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def served(answer=BARE, routes=RULES):
    async with data_port(answering(answer), routes=routes, identity=IDENTITY) as port:
        yield port


async def decide(port, purpose, status):
    handle = await port.gateway.services.people.meet("ann")
    at = now_microseconds()
    event = ConsentEvent(id=new_event_id(at), subject=handle, purpose=purpose, status=status, at=at, method="test")
    port.gateway.services.consent.append(event)


def ask(*cookies, target="/shop/cart", who="ann", more=()):
    lines = [f"GET {target} HTTP/1.1", "Host: www.shop.example:8080", f"X-User: {who}", *more]
    return "\r\n".join([*lines, *(f"Cookie: {line}" for line in cookies), "", ""]).encode()


def received(port):
    return re.findall(rb"(?im)^cookie: (.*)\r$", port.upstream.requests[-1])


def names(answer):
    return [line.partition(b"=")[0] for line in answer.all(b"set-cookie")]


async def test_cookies_pass_in_both_directions_only_for_purposes_that_the_person_agreed_to():
    line = "sid=1; _ga=GA1.2; _fbp=3; theme=dark"
    async with served(ANSWER) as port:
        refused = await port.ask(ask(line))
        without = received(port)
        await decide(port, "analytics", ConsentStatus.GIVEN)
        given = await port.ask(ask(line))
        analytics = received(port)

    assert without == [b"sid=1; theme=dark"]
    assert refused.all(b"set-cookie")[:2] == [SETS[0], SETS[5]]
    assert all(b"; Max-Age=0; " in value for value in refused.all(b"set-cookie")[2:])
    assert analytics == [b"sid=1; _ga=GA1.2; theme=dark"]
    assert names(given)[:5] == [b"sid", b"_ga", b"_ga_X", b"_ga_Y", b"theme"]
    assert set(names(given)[5:]) == {b"_fbp"}


@pytest.mark.parametrize(
    ("lines", "onward"),
    [
        (["_ga=1"], []),
        (["_ga=1", "sid=2"], [b"sid=2"]),
        (["sid=2; _ga=1", "_ga_B=1; theme=3"], [b"sid=2", b"theme=3"]),
        (['_ga="a b"; sid="x y"'], [b'sid="x y"']),
        (["_ga; sid=1"], [b"sid=1"]),
        (["=_ga=1; sid=1"], [b"sid=1"]),
        (["=x; sid=1"], [b"=x; sid=1"]),
        (["_ga=1; _ga=2; sid=1"], [b"sid=1"]),
        (["sid=1; sid=2"], [b"sid=1; sid=2"]),
        (["%5Fga=1;sid=2"], [b"sid=2"]),
        (["_GA=1"], [b"_GA=1"]),
    ],
)
async def test_what_the_application_receives_without_consent(lines, onward):
    async with served() as port:
        assert (await port.ask(ask(*lines))).status == 200
        assert received(port) == onward


@pytest.mark.parametrize("line", ['x="_ga=1; sid=2', "$Version=1; _ga=1", "x=1 _ga=2", "x _ga=2"])
async def test_what_can_be_read_in_two_ways_is_refused(line):
    async with served() as port:
        assert (await port.ask(ask(line))).code == "unparsable_body"
        assert port.upstream.requests == []


async def test_after_a_withdrawal_cookies_go_with_their_own_domain_and_path():
    async with served(ANSWER) as port:
        await decide(port, "analytics", ConsentStatus.GIVEN)
        await decide(port, "ads", ConsentStatus.GIVEN)
        assert names(await port.ask(ask())) == [b"sid", b"_ga", b"_ga_X", b"_ga_Y", b"_fbp", b"theme"]
        await decide(port, "analytics", ConsentStatus.WITHDRAWN)
        answer = await port.ask(ask("sid=1; _ga=GA1.2; _ga_X=2; _fbp=3"))

    lines = answer.all(b"set-cookie")
    assert received(port) == [b"sid=1; _fbp=3"]
    everywhere = [b"; Path=/", b"; Path=/; Domain=www.shop.example", b"; Path=/; Domain=shop.example"]
    known = [b"; Path=/shop"]  # _ga_X said so, and _ga_Y lies in the directory of what was asked for
    assert set(lines[3:]) == {b"_ga=; Max-Age=0" + place for place in everywhere} | {
        b"_ga_X=; Max-Age=0" + place for place in [*everywhere, *known]
    }
    assert answer.all(b"cache-control") == [b"private, max-age=60"]


async def test_the_browser_is_left_alone_where_nothing_denied_came():
    async with served() as port:
        for lines in ([], ["sid=1; theme=2"]):
            answer = await port.ask(ask(*lines))
            assert answer.all(b"set-cookie") == []
            assert answer.all(b"cache-control") == [b"public, max-age=60"]
        stranger = await port.ask(ask("_ga=1", who=""))

        assert received(port) == []
        assert stranger.all(b"set-cookie") == []
        assert port.gateway.services.metrics.cookie_deletions == 0


async def test_each_answer_deletes_also_where_its_head_is_known_by_heart():
    async with served() as port:
        client = await port.connect()
        for turn in range(8):
            await client.send(ask("_ga=1" if turn % 2 else "sid=1"))
            answer = await client.answer()
            assert set(names(answer)) == ({b"_ga"} if turn % 2 else set())


async def test_a_lifetime_is_counted_from_now_also_on_a_route_that_names_nobody():
    rules = RULES.replace("for: ads, max_age: 1h", "for: service, max_age: 1h").replace("    subject: identity\n", "")
    async with served(ANSWER, rules) as port:
        client = await port.connect()
        for _ in range(6):
            await client.send(ask())
            (line,) = [line for line in (await client.answer()).all(b"set-cookie") if line.startswith(b"_fbp")]
            assert re.fullmatch(rb"_fbp=3; Expires=\w{3}, \d\d \w{3} 20[2-9]\d [\d:]{8} GMT", line)
            assert b"2100" not in line
            assert b"1970" not in line


async def test_an_attribute_is_added():
    async with served(ANSWER.replace(b"; HttpOnly", b"")) as port:
        await decide(port, "analytics", ConsentStatus.GIVEN)
        lines = (await port.ask(ask())).all(b"set-cookie")

    assert lines[0] == b"sid=1; Path=/"
    assert lines[1] == b"_ga=GA1.2; Domain=shop.example; Path=/; HttpOnly"


async def test_head_and_304_delete_too():
    for status in (b"304 Not Modified", b"204 No Content"):
        async with served(b'HTTP/1.1 %b\r\nETag: "a"\r\n\r\n' % status) as port:
            assert set(names(await port.ask(ask("_ga=1")))) == {b"_ga"}
    async with served() as port:
        answer = await port.ask(ask("_ga=1").replace(b"GET", b"HEAD", 1), "HEAD")
        assert set(names(answer)) == {b"_ga"}
