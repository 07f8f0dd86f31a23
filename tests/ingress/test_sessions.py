"""Sessions on real connections: each way in which somebody could become somebody else, and who they are then."""

import pytest
from messages import ask
from signing import (
    ANN,
    EVE,
    FIRST,
    FORM,
    SECOND,
    THIRD,
    Service,
    answer,
    cookie,
    counted,
    decide,
    person,
    session,
    settings,
    sign_in,
    signed_in,
    signing_port,
)

from gateway.runtime.settings_identity import TrustedHeader


@pytest.fixture
def service():
    return Service()


@pytest.fixture
async def port(service):
    async with signing_port(service) as opened:
        await decide(opened, ANN)
        yield opened


# --- signing in --------------------------------------------------------------------------------------


async def test_a_session_is_whose_sign_in_began_it(port, service):
    assert await person(port, cookie(FIRST)) == "nobody"
    await signed_in(port, service)
    assert await person(port, cookie(FIRST)) == "ann"
    assert await person(port, b"a=1; " + cookie(FIRST) + b"; b=2") == "ann"
    await signed_in(port, service, EVE, SECOND)
    assert await person(port, cookie(SECOND)) == "somebody"
    assert await person(port, cookie(FIRST)) == "ann"
    assert await person(port, cookie(THIRD)) == "nobody"
    assert counted(port)["signed_in"] == 2


async def test_the_service_keeps_getting_its_cookie(port, service):
    await signed_in(port, service)
    await person(port, cookie(FIRST) + b"; b=2")
    assert b"Cookie: " + cookie(FIRST) + b"; b=2\r\n" in port.upstream.requests[-1]


async def test_the_caller_is_named_by_session_and_handle(port, service):
    await signed_in(port, service)
    exchanges = []
    receive = port.gateway.receive
    port.gateway.receive = lambda head: exchanges.append(receive(head)) or exchanges[-1]
    await person(port, cookie(FIRST))
    handle = port.gateway.services.people.known(ANN)
    assert (exchanges[0].exchange.subject, exchanges[0].exchange.caller) == (handle, f"session:{handle}")


FAILED = {
    "no cookie": answer(body=b"wrong password"),
    "another cookie": answer(b"lang=de; Path=/", b"csrf=session-number-9-of-this-test"),
    "another status, new session": answer(session(SECOND), status=b"401 Unauthorized"),
    "another redirection, new session": answer(session(SECOND), status=b"302 Found", lines=(b"Location: /sign-in",)),
    "the same session": answer(session(FIRST)),
    "the session is dropped": answer(b"session=; Max-Age=0"),
    "the session is dropped, with a value": answer(b"session=%b; Max-Age=0" % SECOND),
    "two sessions": answer(session(SECOND), b"session=%b; Path=/app" % THIRD),
    "a short value": answer(session(b"17")),
    "a server error, new session": answer(session(SECOND), status=b"500 Oops"),
}


@pytest.mark.parametrize("failed", FAILED.values(), ids=FAILED)
async def test_a_sign_in_that_failed_links_nobody(port, service, failed):
    service.answers["/sign-in"] = failed
    await sign_in(port, held=cookie(FIRST))
    for value in (FIRST, SECOND, THIRD, b"17", b""):
        assert await person(port, cookie(value)) == "nobody"
    assert "signed_in" not in counted(port)


async def test_a_redirection_to_elsewhere_is_no_sign_in(port, service):
    for target, value, expected in ((b"/sign-in?failed", SECOND, "nobody"), (b"/account", THIRD, "ann")):
        lines = (b"Location: " + target,)
        service.answers["/redirecting"] = answer(session(value), status=b"303 See Other", lines=lines)
        await sign_in(port, path=b"/redirecting")
        assert await person(port, cookie(value)) == expected


@pytest.mark.parametrize(
    "body", [b"password=x", b"email=&password=x", b"email=ann@shop.example&email=eve@shop.example", b"email=visitor:x"]
)
async def test_a_form_that_names_nobody_links_nobody(port, service, body):
    service.answers["/sign-in"] = answer(session(FIRST))
    raw = ask(FORM, method=b"POST", target=b"/sign-in", body=body)
    await port.ask(raw, "POST")
    assert await person(port, cookie(FIRST)) == "nobody"


JSON = (b"Content-Type: application/json",)


@pytest.mark.parametrize("path", ["/telling", "/telling-and-reading"])
async def test_where_the_answer_says_who_signed_in_the_form_does_not(port, service, path):
    for value, body, expected in (
        (FIRST, b'{"user": {"email": "ann@shop.example"}}', "ann"),
        (SECOND, b'{"user": {"email": "somebody@shop.example"}}', "somebody"),
        (THIRD, b'{"user": null, "error": "wrong password"}', "nobody"),
    ):
        service.answers[path] = answer(session(value), body=body, lines=JSON)
        found = await sign_in(port, path=path.encode())
        assert (found.status, found.body) == (200, body)
        assert await person(port, cookie(value)) == expected


async def test_an_answer_that_cannot_be_read_passes_and_names_nobody(port, service):
    for body, lines in ((b"<p>wrong password", (b"Content-Type: text/html",)), (b"{", JSON), (b"", JSON)):
        service.answers["/telling"] = answer(session(FIRST), body=body, lines=lines)
        found = await sign_in(port, path=b"/telling")
        assert (found.status, found.body) == (200, body)
        assert await person(port, cookie(FIRST)) == "nobody"


async def test_a_sign_in_that_is_only_observed_counts_and_its_answer_stays_as_it_is(port, service):
    service.answers["/watching"] = answer(session(FIRST), body=b"welcome")
    found = await sign_in(port, path=b"/watching")
    assert (found.body, found.all(b"set-cookie")) == (b"welcome", [session(FIRST)])
    assert await person(port, cookie(FIRST)) == "ann"


# --- session fixation: the value was somebody's before the sign-in -------------------------------------


async def test_a_session_that_the_browser_had_before_is_not_linked(port, service):
    """The attacker had the browser take a session that he knows; the application keeps it."""
    await signed_in(port, service, value=FIRST, held=cookie(FIRST))
    assert await person(port, cookie(FIRST)) == "nobody"
    assert counted(port)["not_new"] == 1


@pytest.mark.parametrize(
    ("target", "lines", "body"),
    [
        (b"/sign-in;jsessionid=" + FIRST, (), b"email=ann@shop.example"),
        (b"/sign-in?session=" + FIRST, (), b"email=ann@shop.example"),
        (b"/sign-in?session=" + FIRST.replace(b"-", b"%2d"), (), b"email=ann@shop.example"),
        (b"/sign-in", (), b"email=ann@shop.example&session=" + FIRST),
        (b"/sign-in", (b"Cookie: other=" + FIRST,), b"email=ann@shop.example"),
        (b"/sign-in", (b"Cookie: session=%b; session=%b" % (SECOND, FIRST),), b"email=ann@shop.example"),
        (b"/sign-in", (b"X-Session: " + FIRST,), b"email=ann@shop.example"),
        (b"/sign-in", (), b"email=ann@shop.example&session=" + FIRST.replace(b"-", b"%2d")),
        (b"/sign-in", (b"Cookie: session=" + FIRST.replace(b"-", b"%2D"),), b"email=ann@shop.example"),
    ],
)
async def test_a_session_that_the_request_brings_along_is_not_linked(port, service, target, lines, body):
    service.answers["/sign-in"] = answer(session(FIRST))
    await port.ask(ask(FORM, *lines, method=b"POST", target=target, body=body), "POST")
    assert await person(port, cookie(FIRST)) == "nobody"


@pytest.mark.parametrize("coded", [False, True])
async def test_nor_is_one_in_a_body_that_nothing_else_reads(port, service, coded):
    named = b'{"user": {"email": "ann@shop.example"}}'
    for number, value in enumerate((FIRST, SECOND)):
        service.answers["/telling"] = answer(session(value), body=named, lines=JSON)
        body = b"\xff=\xfe&session=" + FIRST
        if coded:
            raw = ask(FORM, b"Transfer-Encoding: chunked", method=b"POST", target=b"/telling")
            raw += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            raw = ask(FORM, method=b"POST", target=b"/telling", body=body)
        assert (await port.ask(raw, "POST")).status == 200
        assert port.upstream.requests[-1].endswith(body)
        assert await person(port, cookie(value)) == ("nobody", "ann")[number]


async def test_a_session_that_is_somebodys_is_nobodys_after_it_was_given_out_again(port, service):
    await signed_in(port, service, EVE, FIRST)
    assert await person(port, cookie(FIRST)) == "somebody"
    await signed_in(port, service, ANN, FIRST)
    assert await person(port, cookie(FIRST)) == "nobody"


# --- a browser with two cookies -------------------------------------------------------------------------


async def test_two_sessions_in_one_request_are_nobodys(port, service):
    """A neighbouring host or path put a second cookie beside the first: which one counts, only the service knows."""
    await signed_in(port, service, ANN, FIRST)
    await signed_in(port, service, EVE, SECOND)
    both = cookie(FIRST) + b"; " + cookie(SECOND)
    for cookies in (both, cookie(SECOND) + b"; " + cookie(FIRST), cookie(FIRST) + b"; " + cookie(FIRST),
                    cookie(FIRST) + b"; s%65ssion=" + SECOND, cookie(FIRST) + b"; session="):  # fmt: skip
        assert await person(port, cookies) == "nobody"
    assert await person(port, cookie(FIRST), b"Cookie: " + cookie(SECOND)) == "nobody"
    assert counted(port)["repeated"] == 6


async def test_two_sessions_are_nobodys_even_beside_a_visitor(port, service):
    visitor, made = port.gateway.services.visitors.new()
    await decide(port, visitor.name)
    held = made.partition(b";")[0]
    assert await person(port, held) == "ann", "this visitor wants advertising too"
    assert await person(port, b"; ".join([held, cookie(FIRST), cookie(SECOND)])) == "nobody"


async def test_a_session_beside_a_visitor_goes_first(port, service):
    await signed_in(port, service, EVE, SECOND)
    visitor, made = port.gateway.services.visitors.new()
    await decide(port, visitor.name)
    held = made.partition(b";")[0]
    assert await person(port, held + b"; " + cookie(SECOND)) == "somebody"
    assert await person(port, held + b"; " + cookie(THIRD)) == "ann", "an anonymous session says nothing"


async def test_a_stronger_source_goes_before_the_session(service):
    header = TrustedHeader("x-user", ("127.0.0.0/8",))
    async with signing_port(service, settings(trusted_header=header)) as port:
        await decide(port, ANN)
        await signed_in(port, service)
        assert await person(port, cookie(FIRST)) == "ann"
        assert await person(port, cookie(FIRST), b"X-User: " + EVE.encode()) == "somebody"
        assert await person(port, cookie(FIRST), b"X-User: visitor:x") == "nobody"
