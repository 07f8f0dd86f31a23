"""What becomes of a session after the sign-in, when it ends, and of the visitor who was there before it."""

import pytest
from messages import ask
from signing import (
    ANN,
    EVE,
    FIRST,
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

from gateway.model.words import ConsentStatus
from gateway.runtime import sessions as module
from gateway.stores.sessions import SqliteSessionStore


@pytest.fixture
def service():
    return Service()


@pytest.fixture
async def port(service):
    async with signing_port(service) as opened:
        await decide(opened, ANN)
        yield opened


JSON = (b"Content-Type: application/json",)


# --- another value of the same session -----------------------------------------------------------------


async def test_a_rotated_session_is_the_same_persons(port, service):
    await signed_in(port, service)
    service.answers["/page"] = answer(session(SECOND))
    await port.ask(ask(b"Cookie: " + cookie(FIRST), target=b"/page"))
    assert await person(port, cookie(SECOND)) == "ann"
    assert await person(port, cookie(FIRST)) == "ann", "requests that were under way"
    assert counted(port)["rotated"] == 1


async def test_the_old_value_of_a_rotated_session_ends_soon(port, service, monkeypatch):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0)
    await signed_in(port, service)
    service.answers["/page"] = answer(session(SECOND))
    await port.ask(ask(b"Cookie: " + cookie(FIRST), target=b"/page"))
    assert await person(port, cookie(FIRST)) == "nobody"
    assert await person(port, cookie(SECOND)) == "ann"


@pytest.mark.parametrize(
    ("held", "target"),
    [
        (b"", b"/page"),
        (cookie(THIRD), b"/page"),
        (cookie(FIRST) + b"; " + cookie(THIRD), b"/page"),
        (cookie(FIRST), b"/page?session=" + SECOND),
        (cookie(FIRST) + b"; other=" + SECOND, b"/page"),
    ],
)
async def test_a_value_that_is_not_a_rotation_of_anybodys_is_nobodys(port, service, held, target):
    await signed_in(port, service)
    service.answers["/page"] = answer(session(SECOND))
    await port.ask(ask(*([b"Cookie: " + held] if held else []), target=target))
    assert await person(port, cookie(SECOND)) == "nobody"


async def test_where_nothing_rotates_a_new_value_ends_the_sign_in(service):
    """An application that begins anew after a time without requests: who comes then may be anybody."""
    async with signing_port(service, settings(rotated="end")) as port:
        await decide(port, ANN)
        await signed_in(port, service)
        service.answers["/page"] = answer(session(SECOND))
        await port.ask(ask(b"Cookie: " + cookie(FIRST), target=b"/page"))
        assert await person(port, cookie(FIRST)) == "nobody"
        assert await person(port, cookie(SECOND)) == "nobody"


async def test_a_failed_sign_in_takes_no_link_along(port, service):
    """Somebody else tries to sign in on this browser; the application answers with a session of its own."""
    await signed_in(port, service)
    service.answers["/sign-in"] = answer(session(SECOND), status=b"401 Unauthorized")
    await sign_in(port, EVE, held=cookie(FIRST))
    assert await person(port, cookie(SECOND)) == "nobody"


async def test_who_signs_in_on_a_browser_takes_it_over(port, service):
    await signed_in(port, service, ANN, FIRST)
    await signed_in(port, service, EVE, SECOND, held=cookie(FIRST))
    assert await person(port, cookie(SECOND)) == "somebody"
    assert await person(port, cookie(FIRST)) == "nobody"


# --- signing out, and other ends -------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [answer(), answer(session(THIRD)), answer(b"session=; Max-Age=0"),
                                      answer(status=b"500 Oops")])  # fmt: skip
async def test_signing_out_ends_every_value_of_the_session(port, service, answered):
    await signed_in(port, service)
    service.answers |= {"/page": answer(session(SECOND)), "/sign-out": answered}
    await port.ask(ask(b"Cookie: " + cookie(FIRST), target=b"/page"))
    await port.ask(ask(b"Cookie: " + cookie(SECOND), target=b"/sign-out"))
    for value in (FIRST, SECOND, THIRD):
        assert await person(port, cookie(value)) == "nobody"
    assert counted(port)["signed_out"] == 1


async def test_a_session_that_the_answer_drops_has_ended(port, service):
    await signed_in(port, service)
    service.answers["/page"] = answer(b"session=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    await port.ask(ask(b"Cookie: " + cookie(FIRST), target=b"/page"))
    assert await person(port, cookie(FIRST)) == "nobody"


async def test_a_link_ends_after_its_hours(port, service, monkeypatch):
    await signed_in(port, service)
    real = module.time.time
    monkeypatch.setattr("gateway.runtime.identities.time.time", lambda: real() + 720 * 3600 - 10)
    assert await person(port, cookie(FIRST)) == "ann"
    monkeypatch.setattr("gateway.runtime.identities.time.time", lambda: real() + 720 * 3600 + 10)
    assert await person(port, cookie(FIRST)) == "nobody"


async def test_p5_an_erased_person_is_nobody_and_no_link_is_left(port, service):
    await signed_in(port, service)
    assert await person(port, cookie(FIRST)) == "ann"
    people = port.gateway.services.people._store
    digest = people.find(ANN).digest
    people.erase([digest])
    assert await person(port, cookie(FIRST)) == "nobody"
    await decide(port, ANN)
    assert await person(port, cookie(FIRST)) == "nobody", "whoever has the name later is somebody else"


async def test_whoever_is_erased_while_signing_in_is_linked_by_no_row(port, service, monkeypatch):
    people = port.gateway.services.people._store
    original = SqliteSessionStore.sign_in

    def erased_meanwhile(store, link, *rest, **more):
        linked = original(store, link, *rest, **more)
        monkeypatch.setattr(port.gateway.services.people, "has", lambda digest: False)
        return linked

    monkeypatch.setattr(SqliteSessionStore, "sign_in", erased_meanwhile)
    await signed_in(port, service)
    assert port.gateway.services.identities.sessions._store.count(people.find(ANN).digest) == 0


# --- the gateway's own cookie from elsewhere ---------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/me", b"/watching", b"/any"])
async def test_no_service_can_make_a_browser_a_visitor(port, service, path):
    """Else whoever may set a cookie there could make one browser another one's visitor."""
    _, made = port.gateway.services.visitors.new()
    service.answers[path.decode()] = answer(made, body=b"{}", lines=JSON)
    found = await port.ask(ask(target=path, method=b"POST" if path == b"/watching" else b"GET"))
    assert (found.status, found.code) == (502, "upstream_broken")
    assert found.all(b"set-cookie") == []


# --- the visitor that a person was -------------------------------------------------------------------------


async def visiting(port, status=ConsentStatus.GIVEN):
    visitor, made = port.gateway.services.visitors.new()
    handle = await decide(port, visitor.name, status)
    return handle, made.partition(b";")[0]


async def test_what_a_visitor_decided_is_the_persons_from_the_sign_in_on(port, service):
    handle, held = await visiting(port)
    await signed_in(port, service, EVE, SECOND, held=held)
    assert await person(port, cookie(SECOND)) == "ann", "eve wants advertising, too, as she said before"
    [event] = await port.gateway.services.decisions.history(port.gateway.services.people.known(EVE))
    assert (event.method, event.assurance, event.purpose) == ("sign_in", "high", "ads")
    assert len(await port.gateway.services.decisions.history(handle)) == 1


async def test_the_next_person_on_this_browser_inherits_nothing(port, service):
    _, held = await visiting(port)
    await signed_in(port, service, EVE, SECOND, held=held)
    assert await person(port, held) == "nobody"
    assert port.gateway.services.metrics.identities["visitor", "spent"] == 1
    await signed_in(port, service, "bob@shop.example", THIRD, held=held)
    assert await person(port, cookie(THIRD)) == "somebody"
    assert await port.gateway.services.decisions.history(port.gateway.services.people.known("bob@shop.example")) == []


async def test_what_a_visitor_refused_holds_for_the_answer_of_the_sign_in_already(port, service):
    """P4: the answer is decided under what the person says now."""
    _, held = await visiting(port, ConsentStatus.WITHDRAWN)
    body = b'{"user":{"email":"ann@shop.example"},"items":[{"phone":"0171"}]}'
    service.answers["/telling-and-reading"] = answer(session(FIRST), body=body, lines=JSON)
    found = await sign_in(port, held=held, path=b"/telling-and-reading")
    assert (found.status, b"0171" in found.body) == (200, False)


async def test_a_failed_sign_in_leaves_the_visitor_alone(port, service):
    _, held = await visiting(port)
    service.answers["/sign-in"] = answer(session(SECOND), status=b"401 Unauthorized")
    await sign_in(port, EVE, held=held)
    assert await person(port, held) == "ann"
    assert await port.gateway.services.decisions.history(port.gateway.services.people.known(EVE)) == []


async def test_a_forged_visitor_carries_nothing(port, service):
    _, held = await visiting(port)
    forged = held[:-1] + (b"A" if held[-1:] != b"A" else b"Q")
    for cookies in (forged, held + b"; " + held):
        await signed_in(port, service, EVE, SECOND if cookies == forged else THIRD, held=cookies)
    assert await port.gateway.services.decisions.history(port.gateway.services.people.known(EVE)) == []
    assert await person(port, held) == "ann"


# --- a store that does not answer ---------------------------------------------------------------------------


async def test_an_answer_whose_link_cannot_be_kept_does_not_go_out(port, service, monkeypatch):
    await person(port, cookie(THIRD))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteSessionStore, "_insert", full)
        service.answers["/sign-in"] = answer(session(FIRST))
        found = await sign_in(port)
    assert (found.status, found.code) == (503, "consent_store_down")
    assert found.all(b"set-cookie") == []
    assert await person(port, cookie(FIRST)) == "nobody"
    await signed_in(port, service, value=SECOND)
    assert await person(port, cookie(SECOND)) == "ann"


async def test_without_the_store_nobody_passes_for_anybody(port, service, monkeypatch):
    await signed_in(port, service)
    watched = port.gateway.services.identities.sessions._store._watched
    monkeypatch.setattr(watched, "_path", watched._path.with_name("gone"))
    monkeypatch.setattr(watched, "_look_again_at", 0.0)
    assert await person(port, cookie(FIRST)) == "consent_store_down"
