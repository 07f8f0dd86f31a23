"""What stands before every page: path, method, rate, person, and where an answer comes from."""

import msgspec
import pytest
from messages import ask
from portal_port import SIGNED_IN, Page, Reader, portal_port
from tokens import Issuer, terms

from gateway.model.identity import IdentitySource
from gateway.portal.portal import BODY_LIMIT
from gateway.portal.visits import _ASSURANCE
from gateway.runtime.settings_identity import SessionSettings
from gateway.runtime.settings_portal import PortalSettings, Rate


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        ((b"Sec-Fetch-Site: cross-site",), {}),
        ((b"Sec-Fetch-Site: same-site",), {}),
        ((b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Site: cross-site"), {}),
        ((b"Origin: https://evil.example",), {}),
        ((b"Origin: null",), {}),
        ((b"Origin: https://shop.example.evil",), {}),
        ((), {"token": ""}),
        ((), {"token": "1.AAAAAAAAAAAAAAAAAAAAAA"}),
        ((), {"token": None}),
    ],
)
@pytest.mark.parametrize("ending", ["/choices", "/withdraw"])
async def test_an_answer_from_elsewhere_changes_nothing(lines, changes, ending):
    async with portal_port() as port:
        reader = Reader(port)
        answer = await reader.submit(await reader.get(), ending, *lines, **({"do": "refuse_all"} | changes))
        assert answer.status == 403
        assert await reader.history() == []


@pytest.mark.parametrize("lines", [(b"Origin: http://shop.example",), (b"Origin: https://shop.example",), (b"X: y",)])
async def test_an_answer_from_here_counts_without_fetch_metadata_too(lines):
    async with portal_port() as port:
        reader = Reader(port)
        assert (await reader.submit(await reader.get(), "/choices", *lines, do="refuse_all")).status == 303


async def test_the_token_of_one_person_is_of_no_use_to_another():
    async with portal_port() as port:
        reader, other = Reader(port), Reader(port)
        token = dict((await other.get()).form("/choices")["fields"])["token"]
        answer = await reader.submit(await reader.get(), "/choices", do="accept_all", token=token)
        assert answer.status == 403
        assert await reader.history() == await other.history() == []


async def test_somebody_without_cookies_is_told_so():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        reader.cookie = b""
        answer = Page(await reader.submit(page, "/choices", do="accept_all"))
        assert answer.status == 403
        assert "__Host-privacy-visitor" in answer.html
        assert "Set-Cookie" not in str(answer.answer.fields)


@pytest.mark.parametrize(
    "back",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/a%0d%0aX:%20y", "javascript:1", "", "/%C3%A4"],
)
async def test_the_banner_leads_to_no_other_site(back):
    async with portal_port() as port:
        reader = Reader(port)
        answer = await reader.submit(await reader.get(f"/privacy/banner?back={back}"), "/choices", do="refuse_all")
        assert answer.all(b"location") == [b"/privacy?done=saved#status"]


@pytest.mark.parametrize(
    ("settings", "statuses"), [(Rate(person=3, peer=100), [200, 200, 200, 200, 429]), (Rate(100, 2), [200, 200, 429])]
)
async def test_more_than_the_rate_is_turned_away(settings, statuses):
    async with portal_port(settings=PortalSettings(rate=settings)) as port:
        reader = Reader(port)
        pages = [await reader.get() for _ in statuses]
        assert [page.status for page in pages] == statuses
        assert pages[-1].answer.all(b"retry-after") == [b"60"]
        assert len(port.gateway.services.metrics.snapshot().exchanges) >= 1


async def test_people_behind_a_trusted_peer_are_counted_by_themselves():
    settings = PortalSettings(rate=Rate(100, 2))
    async with portal_port(settings=settings, trusted=("127.0.0.0/8",)) as port:
        port.server._clients._trusts = lambda _: True
        for client in (b"192.0.2.1", b"192.0.2.2"):
            reader = Reader(port, b"X-Forwarded-For: 198.51.100.9, " + client)
            assert [(await reader.get()).status for _ in range(3)] == [200, 200, 429]
        assert [(await Reader(port).get()).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("POST", "/privacy", 405, b"GET, HEAD"),
        ("GET", "/privacy/choices", 405, b"POST"),
        ("PUT", "/privacy/api/consent", 405, b"GET, HEAD, POST"),
        ("DELETE", "/privacy/style.css", 405, b"GET, HEAD"),
        ("GET", "/privacy/", 404, None),
        ("GET", "/privacy/../x", 404, None),
        ("GET", "/privacy/logo", 404, None),
        ("GET", "/privacy/history", 303, None),
        ("HEAD", "/privacy", 200, None),
        ("HEAD", "/privacy/style.css", 200, None),
        ("GET", "/privacy/embed.css", 200, None),
    ],
)
async def test_paths_and_methods(method, target, status, allow):
    async with portal_port() as port:
        reader = Reader(port)
        answer = await reader.send(ask(method=method.encode(), target=target.encode()), method)
        assert (answer.status, answer.all(b"allow")) == (status, [allow] if allow else [])
        assert reader.cookie == b""
        assert port.upstream.requests == []


@pytest.mark.parametrize("target", [b"/privacyx", b"/priv", b"/%70rivacy", b"/Privacy", b"/other/privacy"])
async def test_other_paths_stay_the_applications(target):
    async with portal_port() as port:
        assert (await port.ask(ask(target=target))).body == b"ok"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"do=accept_all", b"text/plain"),
        (b"do=accept_all&do=refuse_all", b"application/x-www-form-urlencoded"),
        (b"do=accept", b"application/x-www-form-urlencoded"),
        (b"do=%FF", b"application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(3000)), b"application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_changes_nothing(body, kind):
    async with portal_port() as port:
        reader = Reader(port)
        await reader.get()
        answer = await reader.post("/privacy/choices", body, kind=kind)
        assert answer.status == 400
        assert await reader.history() == []


async def test_a_body_over_the_limit_is_refused():
    async with portal_port() as port:
        reader = Reader(port)
        await reader.get()
        answer = await reader.post("/privacy/choices", b"x" * (BODY_LIMIT + 1))
        assert (answer.status, answer.code) == (413, "over_size")


EMBEDDED = (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors", b"Sec-Fetch-Dest: image")


@pytest.mark.parametrize("target", ["/privacy", "/privacy/banner", "/privacy/records.json", "/privacy/api/consent"])
async def test_what_another_site_has_loaded_shows_nothing_to_anybody(target):
    async with portal_port() as port:
        reader = Reader(port)
        assert (await reader.get(target, *EMBEDDED)).status == 403
        assert reader.cookie == b""
        await reader.get("/privacy/history")
        assert (await reader.get(target, *EMBEDDED)).status == 403
        assert await reader.shown() == []


async def test_a_link_on_another_site_leads_to_the_pages():
    async with portal_port() as port:
        lines = (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document")
        assert (await Reader(port).get("/privacy", *lines)).status == 200


async def test_head_shows_nobody_a_notice():
    async with portal_port() as port:
        reader = Reader(port)
        reader.cookie = port.gateway.services.visitors.new()[1].partition(b";")[0]
        for target in (b"/privacy", b"/privacy/banner", b"/privacy/api/consent?notice=1"):
            answer = await reader.send(ask(*reader.fields(), method=b"HEAD", target=target), "HEAD")
            assert answer.status == 200
        assert await reader.shown() == []
        await reader.get()
        assert len(await reader.shown()) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer expired",
        b"Authorization: Bearer",
        b"X-User: visitor:AAAAAAAAAAAAAAAAAAAAAA",
        b"Cookie: session=one; session=another",
    ],
)
async def test_who_is_signed_in_badly_is_no_visitor(line, tmp_path):
    (tmp_path / "keys").write_bytes(Issuer().jwks())
    sources = msgspec.structs.replace(SIGNED_IN, session=SessionSettings("session"), token=terms(tmp_path / "keys"))
    async with portal_port(identity=sources) as port:
        reader = Reader(port, line)
        page = await reader.get()
        assert (page.status, reader.cookie) == (403, b"")
        assert "Please sign in first" in page.html
        answer = Page(await reader.post("/privacy/choices", {"do": "refuse_all"}))
        assert (answer.status, "Please sign in first" in answer.html) == (403, True)


def test_every_source_of_identity_has_its_assurance():
    assert set(_ASSURANCE) == set(IdentitySource)
