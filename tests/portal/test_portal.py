"""The pages over real sockets: what is shown, what counts, and what is refused without a trace."""

import hashlib
import re
from urllib.parse import quote

import msgspec
import pytest
from messages import ask
from portal_port import GIVEN, PLENTY, REFUSED, SIGNED_IN, WITHDRAWN, Page, Reader, portal_port, swapped

from gateway.portal import submissions
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader
from gateway.runtime.settings_portal import Theme

POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def mine(reader):
    """What of a request to the application still carries."""
    await reader.send(ask(*reader.fields(b"X-Count: 1", b"X-Ad: 2"), target=b"/mine"))
    received = reader.port.upstream.requests[-1].lower()
    return {name for name in (b"x-count", b"x-ad") if name in received}


async def test_nothing_is_chosen_and_nothing_passes_before_an_answer():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        assert page.status == 200
        assert page.ticked() == set()
        assert page.states() == ["open", "open"]
        assert await mine(reader) == set()
        assert await reader.history() == []


async def test_refusing_and_accepting_are_the_same_effort():
    async with portal_port() as port:
        for target in ("/privacy", "/privacy/banner"):
            page = await Reader(port).get(target)
            buttons = re.findall(r"<button name=\"do\" value=\"(\w+)\">", page.html)
            group = re.search(r'<div class="actions">.*?</div>', page.html, re.DOTALL)[0]
            assert "refuse_all" in buttons
            assert "accept_all" in buttons
            assert group.count("<button") == group.count('<button name="do"')
            assert 'class="' not in re.sub(r'<(div|a) class="\w+"', "", group)


@pytest.mark.parametrize(
    ("answers", "counts", "history"),
    [
        ({"do": "accept_all"}, {b"x-count", b"x-ad"}, [("ads", "*", GIVEN), ("analytics", "*", GIVEN)]),
        ({"do": "refuse_all"}, set(), [("ads", "*", REFUSED), ("analytics", "*", REFUSED)]),
        (
            {"do": "save", "choice:analytics:*": "yes", "choice:ads:*": "no"},
            {b"x-count"},
            [("ads", "*", REFUSED), ("analytics", "*", GIVEN)],
        ),
        ({"do": "save", "choice:ads:*": "yes"}, {b"x-ad"}, [("ads", "*", GIVEN)]),
        ({"do": "save"}, set(), []),
    ],
)
async def test_p4_an_answer_counts_for_the_next_request(answers, counts, history):
    async with portal_port() as port:
        reader = Reader(port)
        answer = await reader.submit(await reader.get(), "/choices", **answers)
        assert answer.status == 303
        assert await mine(reader) == counts
        assert await reader.history() == [(*each, "portal") for each in history]
        page = await reader.get(answer.all(b"location")[0].decode())
        assert '<p class="message" id="status" role="status" tabindex="-1">' in page.html
        assert page.states().count("on") == len(counts)


async def test_withdrawing_everything_is_one_click():
    async with portal_port() as port:
        reader = Reader(port)
        await reader.submit(await reader.get(), "/choices", do="accept_all")
        page = await reader.get()
        assert "choice:ads:*=yes" in page.ticked()
        answer = await reader.submit(page, "/withdraw")
        assert (answer.status, answer.all(b"location")) == (303, [b"/privacy?done=withdrawn#status"])
        assert await mine(reader) == set()
        assert (await reader.history())[-1] == ("analytics", "*", WITHDRAWN, "portal")
        again = await reader.submit(await reader.get(), "/withdraw")
        assert again.status == 303
        assert len(await reader.history()) == 4


async def test_an_event_says_by_which_notice_until_when_and_how_sure_it_was_who():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        await reader.submit(page, "/choices", do="accept_all")
        (handle,) = {each.subject for each in await _events(port, reader)}
        event = (await port.gateway.services.decisions.history(handle))[0]
        assert (event.notice, event.notice_version, event.method, str(event.assurance)) == (
            "privacy",
            "7",
            "portal",
            "none",
        )
        assert event.notice_digest == dict(page.form("/choices")["fields"])["notice"]
        kept = (port.state / "notices" / f"{event.notice_digest}.html").read_bytes()
        assert hashlib.sha256(kept).hexdigest() == event.notice_digest
        assert kept.decode() in page.html
        assert 180.9 <= (event.valid_until - event.at) / 86_400e6 <= 184


async def _events(port, reader):
    name = "visitor:" + reader.cookie.partition(b"=")[2].partition(b".")[0].decode()
    return await port.gateway.services.decisions.history(port.gateway.services.people.find(name))


async def test_consent_to_a_notice_that_has_changed_is_refused_and_the_present_one_is_shown():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        swapped(port, "We ask you.", "We ask you much more.")
        answer = Page(await reader.submit(page, "/choices", **{"choice:ads:*": "yes", "choice:analytics:*": "no"}))
        assert answer.status == 409
        assert "We ask you much more." in answer.html
        assert 'role="alert"' in answer.html
        assert await reader.history() == []
        assert (await reader.submit(answer, "/choices", do="accept_all")).status == 303


@pytest.mark.parametrize("changes", [{"do": "refuse_all"}, {"choice:ads:*": "no"}])
async def test_a_refusal_does_not_fail_for_an_old_notice(changes):
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        swapped(port, "We ask you.", "We ask you much more.")
        assert (await reader.submit(page, "/choices", **changes)).status == 303
        assert ("ads", "*", REFUSED, "portal") in await reader.history()


@pytest.mark.parametrize("notice", ["", "0" * 64, "other"])
async def test_consent_to_what_this_person_was_never_shown_is_refused(notice):
    async with portal_port() as port:
        reader, other = Reader(port), Reader(port)
        page = await reader.get()
        if notice == "other":
            german = await other.get("/privacy?lang=de")
            notice = dict(german.form("/choices")["fields"])["notice"]
        answer = await reader.submit(page, "/choices", do="accept_all", notice=notice)
        assert answer.status == 409
        assert await reader.history() == []


@pytest.mark.parametrize("field", ["choice:telepathy:*", "choice:ads:nobody", "except:ads:shop", "object:service"])
async def test_an_answer_to_what_nobody_asked_is_refused_whole(field):
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        assert (await reader.submit(page, "/choices", **{field: "yes", "choice:ads:*": "no"})).status == 409
        assert await reader.history() == []


async def test_without_visitors_somebody_unknown_is_asked_to_sign_in():
    identity = IdentitySettings(trusted_header=TrustedHeader("x-user", ("127.0.0.0/8",)))
    async with portal_port(identity=identity) as port:
        page = await Reader(port).get()
        assert page.status == 403
        assert "Please sign in first" in page.html
        signed_in = Reader(port, b"X-User: ada@example.org")
        page = await signed_in.get()
        assert page.status == 200
        assert "You are signed in" in page.html
        assert (await signed_in.submit(page, "/choices", do="accept_all")).status == 303
        assert "ada@" not in page.html


async def test_who_signs_in_has_their_own_choices():
    async with portal_port(identity=SIGNED_IN) as port:
        ada, bob = Reader(port, b"X-User: ada@example.org"), Reader(port, b"X-User: bob@example.org")
        await ada.submit(await ada.get(), "/choices", do="accept_all")
        assert (await ada.get()).states() == ["on", "on"]
        assert (await bob.get()).states() == ["open", "open"]
        assert ada.cookie == bob.cookie == b""


async def test_a_visitor_keeps_the_cookie_that_was_given():
    async with portal_port() as port:
        reader = Reader(port)
        first = await reader.get()
        assert len(first.answer.all(b"set-cookie")) == 1
        assert (await reader.get()).answer.all(b"set-cookie") == []


async def test_the_banner_leads_back_and_says_that_it_was_the_banner():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get("/privacy/banner?back=%2Fitems%3Fa%3D1")
        frame = page.answer.all(b"content-security-policy")[0]
        assert frame == POLICY.replace(b"frame-ancestors 'none'", b"frame-ancestors 'self'")
        assert re.findall(r"<form [^>]*target=\"(\w+)\"", page.html) == ["_top"]
        answer = await reader.submit(page, "/choices", do="accept_all")
        assert (answer.status, answer.all(b"location")) == (303, [b"/items?a=1"])
        assert {each[3] for each in await reader.history()} == {"banner"}


async def test_every_page_is_private_strict_and_named():
    async with portal_port() as port:
        reader = Reader(port)
        await reader.get()
        for target in ("/privacy", "/privacy/history", "/privacy/nothing"):
            page = await reader.get(target)
            fields = dict(page.answer.fields)
            assert fields[b"content-security-policy"] == POLICY
            assert fields[b"cache-control"] == b"no-store"
            assert fields[b"referrer-policy"] == b"same-origin"
            assert fields[b"x-content-type-options"] == b"nosniff"
            assert re.search(r"<title>[^<]+ – Example Shop GmbH</title>", page.html)
            assert page.html.count("<h1") == 1
            assert not re.search(r"<script|<style|style=|https?://(?!shop\.example)| on\w+=", page.html)


async def test_the_history_holds_what_was_decided_and_what_was_shown():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        await reader.submit(page, "/choices", do="accept_all")
        history = await reader.get("/privacy/history")
        assert history.html.count("agreed") == 2
        digest = dict(page.form("/choices")["fields"])["notice"]
        kept = await reader.get(f"/privacy/notice/{digest}")
        assert (kept.status, "We ask you." in kept.html) == (200, True)
        stranger = Reader(port)
        await stranger.get("/privacy/banner")
        for missing in (digest, "0" * 64, "..%2F..%2Fkeys"):
            assert (await stranger.get(f"/privacy/notice/{missing}")).status == 404


@pytest.mark.parametrize(
    ("accept", "target", "language"),
    [
        (b"de-AT,en;q=0.5", "/privacy", "de"),
        (b"fr, zh-CN;q=0.7, de;q=0.3", "/privacy", "zh-Hans"),
        (b"fr", "/privacy", "en"),
        (b"de", "/privacy?lang=zh", "zh-Hans"),
        (b"de", "/privacy?lang=fr", "de"),
    ],
)
async def test_the_language_is_the_readers(accept, target, language):
    async with portal_port() as port:
        page = await Reader(port, b"Accept-Language: " + accept).get(target)
        assert f'<html lang="{language}">' in page.html
        assert page.answer.all(b"content-language") == [language[:2].encode()]


async def test_a_chosen_language_stays_through_a_form():
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get("/privacy?lang=de")
        assert all("lang=de" in link for link in page.links if link.startswith("/privacy/"))
        answer = await reader.submit(page, "/choices", do="refuse_all")
        assert answer.all(b"location") == [b"/privacy?lang=de&done=saved#status"]
        assert {each.language for each in await _served(port, reader)} == {"de"}


async def _served(port, reader):
    name = "visitor:" + reader.cookie.partition(b"=")[2].partition(b".")[0].decode()
    return await port.gateway.services.decisions.served(port.gateway.services.people.find(name))


async def test_the_signal_of_the_browser_is_shown_and_wins():
    async with portal_port() as port:
        reader = Reader(port)
        await reader.submit(await reader.get(), "/choices", do="accept_all")
        page = await reader.get("/privacy", b"Sec-GPC: 1")
        assert "Your opt-out signal is honoured" in page.html
        assert "Show you offers elsewhere." in page.html
        assert sorted(page.states()) == ["off", "on"]
        assert "because your browser sends Global Privacy Control" in page.html


async def test_style_and_logo_are_ours(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    settings = msgspec.structs.replace(PLENTY, theme=Theme(accent="#123456", logo=str(logo)))
    async with portal_port(settings=settings) as port:
        page = await Reader(port).get()
        style = next(a["href"] for tag, a in page.tags if tag == "link")
        picture = next(a["src"] for tag, a in page.tags if tag == "img")
        answer = await port.ask(ask(target=style.encode()))
        assert answer.all(b"content-type") == [b"text/css; charset=utf-8"]
        assert b"#123456" in answer.body
        answer = await port.ask(ask(target=picture.encode()))
        assert answer.all(b"content-type") == [b"image/svg+xml"]
        assert b"sandbox" in answer.all(b"content-security-policy")[0]


async def test_a_refusal_of_the_gateway_leads_to_the_pages():
    routes = """
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request: {fields: {"header:X-Ad": {is: device.device_id, for: ads}}, rest: {headers: pass}}
    response: {rest: pass}
"""
    async with portal_port(routes) as port:
        reader = Reader(port)
        await reader.get()
        answer = await reader.send(ask(*reader.fields(b"X-Ad: 1"), target=b"/x"))
        assert msgspec.json.decode(answer.body)["consent"]["where"] == "/privacy"


async def test_who_changes_their_mind_without_end_gives_no_more_consent_today(monkeypatch):
    monkeypatch.setattr(submissions, "MOST_A_DAY", 2)
    async with portal_port() as port:
        reader = Reader(port)
        page = await reader.get()
        assert (await reader.submit(page, "/choices", do="accept_all")).status == 303
        given = await reader.history()
        answer = await reader.submit(page, "/choices", do="accept_all")
        assert (answer.status, answer.all(b"retry-after")) == (429, [b"86400"])
        notice = dict(page.form("/choices")["fields"])["notice"]
        said = await reader.api({"notice": notice, "choices": [{"purpose": "ads", "consent": True}]})
        assert said.status == 200  # it stands already, so nothing would be recorded
        assert await reader.history() == given
        assert (await reader.submit(page, "/choices", do="refuse_all")).status == 303
        assert len(await reader.history()) == 2 * len(given)
        said = await reader.api({"notice": notice, "choices": [{"purpose": "ads", "consent": True}]})
        assert (said.status, said.code) == (429, "often")


HOSTILE = '"><script>x</script>{{ 7 * 7 }}{say}'


@pytest.mark.parametrize(
    "target", ["/privacy", "/privacy/banner", "/privacy/history", "/privacy/receipt", "/privacy/no"]
)
async def test_nothing_that_rules_or_requests_say_becomes_markup(target):
    async with portal_port() as port:
        swapped(port, "en: We ask you.", f"en: '{HOSTILE}', zh: '{HOSTILE}'")
        swapped(port, "title: Show you offers elsewhere", f"title: '{HOSTILE}'")
        reader = Reader(port, b"Accept-Language: " + HOSTILE.encode())
        await reader.submit(await reader.get(), "/choices", do="accept_all")
        query = quote(HOSTILE)
        for more in (f"?lang={query}&back=/{query}&done={query}", "?lang=zh", f"?{query}"):
            page = await reader.get(target + more)
            assert "<script" not in page.html
            assert "&lt;script&gt;" in page.html or target not in ("/privacy", "/privacy/banner")
        kept = (await reader.get("/privacy/history")).links
        for place in {link for link in kept if "/notice/" in link}:
            page = await reader.get(place)
            assert (page.status, "<script" in page.html, "&lt;script&gt;" in page.html) == (200, False, True)
