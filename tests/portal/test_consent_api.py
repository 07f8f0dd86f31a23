"""`/privacy/api/consent` over real sockets, for applications with a banner of their own."""

import msgspec
import pytest
from messages import ask
from portal_port import GIVEN, REFUSED, WITHDRAWN, Reader, portal_port, swapped

API = "/privacy/api/consent"


async def told(reader, target=API, *lines):
    answer = await reader.send(ask(*reader.fields(*lines), target=target.encode()))
    return answer, msgspec.json.decode(answer.body)


async def shown(reader):
    _, content = await told(reader, API + "?notice=1", b"Sec-Fetch-Site: same-origin")
    return content["notice"]


async def test_nobody_is_told_that_nothing_is_answered_and_nothing_is_kept():
    async with portal_port() as port:
        reader = Reader(port)
        answer, content = await told(reader)
        assert (answer.status, answer.all(b"set-cookie")) == (200, [])
        assert content["known_by"] is None
        assert {each["purpose"]: (each["asks"], each["answer"]) for each in content["purposes"]} == {
            "service": (None, None),
            "analytics": ("consent", None),
            "ads": ("consent", None),
        }
        assert {each["purpose"]: each["allowed"] for each in content["purposes"]} == {
            "service": True, "analytics": False, "ads": False,
        }  # fmt: skip


async def test_a_decision_cites_the_notice_that_was_shown():
    async with portal_port() as port:
        reader = Reader(port)
        notice = await shown(reader)
        assert "We ask you." in notice["html"]
        answer = await reader.api({"notice": notice["digest"], "choices": [{"purpose": "ads", "consent": True}]})
        content = msgspec.json.decode(answer.body)
        assert (answer.status, content["changed"], content["known_by"]) == (200, True, "visitor")
        ads = next(each for each in content["purposes"] if each["purpose"] == "ads")
        assert (ads["answer"], ads["allowed"], ads["reason"]) == (True, True, "listed")
        assert ads["valid_until"] > ads["since"]
        assert await reader.history() == [("ads", "*", GIVEN, "api")]
        _, content = await told(reader, API, b"Sec-GPC: 1")
        ads = next(each for each in content["purposes"] if each["purpose"] == "ads")
        assert (content["gpc"], ads["answer"], ads["allowed"], ads["reason"]) == (True, True, False, "gpc")


async def test_withdrawing_all_needs_no_notice():
    async with portal_port() as port:
        reader = Reader(port)
        notice = await shown(reader)
        await reader.api({"notice": notice["digest"], "choices": [{"purpose": "ads", "consent": True}]})
        swapped(port, "We ask you.", "We ask you more.")
        assert (await reader.api({"withdraw": "all"})).status == 200
        assert await reader.history() == [
            ("ads", "*", GIVEN, "api"),
            ("ads", "*", WITHDRAWN, "api"),
            ("analytics", "*", REFUSED, "api"),
        ]


@pytest.mark.parametrize("digest", ["", "0" * 64, "stale"])
async def test_consent_without_its_notice_is_refused_whole_and_gives_the_present_one(digest):
    async with portal_port() as port:
        reader = Reader(port)
        notice = await shown(reader)
        if digest == "stale":
            swapped(port, "We ask you.", "We ask you more.")
            digest = notice["digest"]
        choices = [{"purpose": "ads", "consent": True}, {"purpose": "analytics", "consent": False}]
        answer = await reader.api({"notice": digest, "choices": choices})
        content = msgspec.json.decode(answer.body)
        assert (answer.status, content["code"]) == (409, "notice_not_current")
        assert await reader.history() == []
        answer = await reader.api({"notice": content["notice"]["digest"], "choices": choices})
        assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ({"choices": [{"purpose": "ads", "consent": False}]}, b"text/plain", 415, "unsupported_media_type"),
        ({"choices": [{"purpose": "ads", "consent": False}]}, b"", 415, "unsupported_media_type"),
        ({}, b"application/json", 400, "unreadable_decision"),
        ([], b"application/json", 400, "unreadable_decision"),
        (b'{"withdraw": "all", "withdraw": "all"}', b"application/json", 400, "unreadable_decision"),
        (b"[" * 60_000, b"application/json", 400, "unreadable_decision"),
        ({"withdraw": "some"}, b"application/json", 400, "unreadable_decision"),
        ({"withdraw": "all", "more": 1}, b"application/json", 400, "unreadable_decision"),
        ({"withdraw": "all", "choices": [{"purpose": "a", "consent": True}]}, b"application/json", 400, None),
        ({"choices": [{"purpose": "ads", "consent": "yes"}]}, b"application/json", 400, None),
        ({"choices": [{"purpose": "ads", "consent": False}] * 2}, b"application/json", 400, None),
        ({"choices": [{"purpose": "none", "consent": False}]}, b"application/json", 409, None),
        ({"choices": [{"purpose": "service", "consent": False}]}, b"application/json; charset=utf-8", 409, None),
    ],
)
async def test_what_cannot_be_taken_changes_nothing(body, kind, status, code):
    async with portal_port() as port:
        reader = Reader(port)
        await shown(reader)
        answer = await reader.api(body, kind=kind)
        assert answer.status == status
        assert answer.all(b"content-type") == [b"application/problem+json"]
        assert code is None or answer.code == code
        assert await reader.history() == []


@pytest.mark.parametrize(
    "line", [b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-site", b"Origin: https://evil.example"]
)
async def test_other_sites_decide_nothing_and_show_nothing(line):
    async with portal_port() as port:
        reader = Reader(port)
        await shown(reader)
        assert (await reader.api({"withdraw": "all"}, line)).status == 403
        answer, content = await told(reader, API + "?notice=1", line)
        assert (answer.status, "notice" in content) == (403, False)
        assert await reader.history() == []
        answer = await reader.api({"withdraw": "all"})
        assert answer.status == 200
        assert not any(name.startswith(b"access-control") for name, _ in answer.fields)


async def test_somebody_unknown_cannot_decide():
    async with portal_port() as port:
        answer = await Reader(port).api({"withdraw": "all"})
        assert (answer.status, answer.code) == (403, "cookies")


async def test_what_the_browser_carries_counts_on_the_person_s_pages_as_it_does_in_front_of_the_service():
    async with portal_port() as port:
        swapped(port, "notice:", "signals: {gpp: {query: gpp}}\nnotice:")
        reader = Reader(port)
        notice = await shown(reader)
        await reader.api({"notice": notice["digest"], "choices": [{"purpose": "ads", "consent": True}]})
        for query, found in (("?gpp=DBAA", (True, "listed")), ("?gpp=DBABTA~1YYN", (False, "objected"))):
            _, content = await told(reader, API + query)
            ads = next(each for each in content["purposes"] if each["purpose"] == "ads")
            assert (ads["allowed"], ads["reason"]) == found
