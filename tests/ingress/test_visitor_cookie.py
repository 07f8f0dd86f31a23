"""The visitor's cookie on real connections: who is whom, and what the service never gets to see."""

import pytest
from data_port import data_port
from messages import answer_of, ask
from scripted_upstream import answering

from gateway.crypto.keyring import KeyRing
from gateway.model.words import Assurance, ConsentStatus
from gateway.runtime.decisions import Choice
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader, VisitorSettings
from gateway.runtime.visitors import Visitors

ROUTES = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - name: seen
    match: {path: /seen}
    to: shop
    mode: observe
  - name: named
    match: {path: /named}
    to: shop
    subject: {field: "query:who"}
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - name: any
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""
PHONE = answer_of(b'{"phone":"0171"}', b"Content-Type: application/json")
VISITOR = IdentitySettings(visitor=VisitorSettings(180))


def port_with(identity=VISITOR, **more):
    return data_port(answering(PHONE), routes=ROUTES, identity=identity, **more)


async def made(port, status=ConsentStatus.GIVEN):
    """A visitor who decided about ads: the name, and the cookie as the browser sends it."""
    visitor, cookie = port.gateway.services.visitors.new()
    handle = await port.gateway.services.people.meet(visitor.name)
    choices = [Choice("ads", status)]
    await port.gateway.services.decisions.decide(handle, choices, method="test", assurance=Assurance.NONE)
    return visitor.name, cookie.partition(b";")[0]


async def phone(port, *lines, target=b"/me"):
    answer = await port.ask(ask(*lines, target=target))
    return b"0171" in answer.body if answer.status == 200 else answer.code


async def test_what_a_visitor_decided_holds_for_this_browser():
    async with port_with() as port:
        _, willing = await made(port)
        _, unwilling = await made(port, ConsentStatus.REFUSED)
        assert await phone(port, b"Cookie: " + willing) is True
        assert await phone(port, b"Cookie: a=1; " + willing) is True
        assert await phone(port, b"Cookie: " + unwilling) is False
        stranger = port.gateway.services.visitors.new()[1].partition(b";")[0]
        assert await phone(port, b"Cookie: " + stranger) is False
        assert await phone(port) == "unresolved_subject"


async def test_a_cookie_that_is_not_the_gateways_is_nobodys():
    async with port_with() as port:
        _, willing = await made(port)
        elsewhere = Visitors(KeyRing(b"e" * 32, "26q4a"), 1).new()[1].partition(b";")[0]
        altered = willing[:30] + (b"A" if willing[30:31] != b"A" else b"B") + willing[31:]
        for cookies in (elsewhere, altered, willing + b"; " + willing, willing + b"; " + elsewhere):
            assert await phone(port, b"Cookie: " + cookies) == "unresolved_subject"
        assert await phone(port, b"Cookie: " + willing, b"Cookie: " + willing) == "unresolved_subject"
        counted = dict(port.gateway.services.metrics.identities)
    assert counted == {("visitor", "refused"): 5}
    assert not any(b"Cookie" in request for request in port.upstream.requests)


async def test_nobody_is_a_visitor_by_saying_so():
    header = TrustedHeader("x-user", ("127.0.0.0/8",))
    async with port_with(IdentitySettings(trusted_header=header, visitor=VisitorSettings())) as port:
        name, cookie = await made(port)
        said = b"X-User: " + name.encode()
        assert await phone(port, said) == "unresolved_subject"
        assert await phone(port, said, b"Cookie: " + cookie) == "unresolved_subject"
        assert await phone(port, target=b"/named?who=" + name.encode()) == "unresolved_subject"
        assert await phone(port, target=b"/named?who=" + name.upper().encode()) == "unresolved_subject"


@pytest.mark.parametrize("target", [b"/me", b"/seen", b"/x", b"http://shop.example/x"])
async def test_no_service_sees_the_cookie(target):
    async with port_with() as port:
        _, cookie = await made(port)
        client = await port.connect()
        among = b"a=1; " + cookie + b"; b=2"
        for cookies in (among, among, cookie, b"__Host-privacy-visitor=x"):
            await client.send(ask(b"Cookie: " + cookies, b"X-Other: 1", target=target))
            await client.answer()
        await port.ask(ask(b"Cookie: c=3", target=target))
    assert not any(b"privacy-visitor" in request for request in port.upstream.requests)
    assert sum(b"Cookie: a=1; b=2\r\n" in request for request in port.upstream.requests) == 2
    assert sum(b"Cookie: " in request for request in port.upstream.requests) == 3
    assert all(b"X-Other: 1" in request for request in port.upstream.requests[:2])


async def test_a_browser_that_becomes_another_visitor_on_one_connection():
    async with port_with() as port:
        _, willing = await made(port)
        _, unwilling = await made(port, ConsentStatus.REFUSED)
        client = await port.connect()
        for cookie, expected in ((willing, True), (willing, True), (unwilling, False), (willing, True)):
            await client.send(ask(b"Cookie: " + cookie, target=b"/me"))
            assert (b"0171" in (await client.answer()).body) is expected


async def test_ordinary_traffic_makes_no_visitors():
    async with port_with() as port:
        answers = [await port.ask(ask(target=target)) for target in (b"/me", b"/x", b"/seen", b"/named?who=ann")]
    assert [answer.all(b"set-cookie") for answer in answers] == [[]] * 4


async def test_where_there_are_no_visitors_the_cookie_is_like_any_other():
    async with port_with(IdentitySettings()) as port:
        assert port.gateway.services.visitors is None
        await port.ask(ask(b"Cookie: __Host-privacy-visitor=x", target=b"/x"))
    assert b"Cookie: __Host-privacy-visitor=x" in port.upstream.requests[0]
