"""Cookies of what is refused or withdrawn leave the browser with the answer to that."""

import msgspec
import pytest
from messages import answer_of, ask
from portal_port import Reader, portal_port
from scripted_upstream import answering

ROUTES = """
notice: {version: "7", text: We ask you.}
cookies:
  _count: {is: device.cookie_id, for: analytics}
  _ad_*: {is: device.cookie_id, for: ads}
  sid: {is: unique_id, for: service}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request: {rest: {headers: pass, cookies: pass}}
    response: {rest: pass}
"""
SETS = answering(
    answer_of(
        b"ok",
        b"Set-Cookie: _count=1; Path=/shop; Domain=shop.example",
        b"Set-Cookie: _ad_7=1; Path=/",
        b"Set-Cookie: sid=1; Path=/",
    )
)
SENT = b"Cookie: sid=1; _ad_7=x; _ad_8=y; theme=dark"


def deleted(answer):
    """The cookies that an answer deletes, each with its places."""
    found = {}
    for value in answer.all(b"set-cookie"):
        name, _, rest = value.decode().partition("=")
        assert rest.startswith("; Max-Age=0; Path=")
        found.setdefault(name, set()).add(rest.removeprefix("; Max-Age=0; "))
    return found


async def consenting(port):
    """Somebody who accepted everything, and whose browser got cookies for it."""
    reader = Reader(port)
    await reader.submit(await reader.get(), "/choices", do="accept_all")
    answer = await reader.send(ask(*reader.fields(), target=b"/shop"))
    assert len(answer.all(b"set-cookie")) == 3
    return reader


async def test_a_withdrawal_deletes_them_where_they_were_set():
    async with portal_port(ROUTES, scripts=(SETS,)) as port:
        reader = await consenting(port)
        answer = await reader.submit(await reader.get(), "/withdraw", b"Sec-Fetch-Site: same-origin", SENT)
        assert answer.status == 303
        found = deleted(answer)
        assert set(found) == {"_count", "_ad_7", "_ad_8"}
        assert "Path=/shop; Domain=shop.example" in found["_count"]
        assert "Path=/" in found["_ad_7"]


@pytest.mark.parametrize(
    ("answers", "names"),
    [
        ({"choice:ads:*": "no"}, {"_ad_7", "_ad_8"}),
        ({"choice:analytics:*": "no"}, {"_count"}),
        ({"do": "refuse_all"}, {"_ad_7", "_ad_8", "_count"}),
        ({"do": "accept_all"}, set()),
    ],
)
async def test_an_answer_deletes_just_what_it_ends(answers, names):
    async with portal_port(ROUTES, scripts=(SETS,)) as port:
        reader = await consenting(port)
        answer = await reader.submit(await reader.get(), "/choices", b"Sec-Fetch-Site: same-origin", SENT, **answers)
        assert set(deleted(answer)) == names


async def test_an_application_gets_them_deleted_too():
    async with portal_port(ROUTES, scripts=(SETS,)) as port:
        reader = await consenting(port)
        answer = await reader.api({"withdraw": "all"}, b"Sec-Fetch-Site: same-origin", SENT)
        assert set(deleted(answer)) == {"_count", "_ad_7", "_ad_8"}
        assert msgspec.json.decode(answer.body)["changed"] is True


async def test_an_answer_that_is_not_taken_deletes_nothing():
    async with portal_port(ROUTES, scripts=(SETS,)) as port:
        reader = await consenting(port)
        answer = await reader.submit(await reader.get(), "/withdraw", b"Sec-Fetch-Site: cross-site", SENT)
        assert (answer.status, answer.all(b"set-cookie")) == (403, [])
