"""Pages about disclosures and receipt where something is not there yet, and who is asked for."""

import pytest
from messages import HOST, ask
from portal_port import SIGNED_IN, Reader, portal_port

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.portal.access import Access
from gateway.portal.access_pages import FILES
from gateway.runtime.record_reader import Found, NotReady, RecordReader

PROXY = ("127.0.0.0/8",)
NOW = "2026-11-24T01:00:00.000000Z"


@pytest.fixture
def answering(monkeypatch):
    """What the reader of records answers; gives the handles that it was asked for."""

    def answer(found):
        asked = []

        async def find(self, handles, **_):
            asked.append(list(handles))
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(RecordReader, "find", find)
        return asked

    return answer


@pytest.mark.parametrize("path", ["/disclosures", FILES["json"], FILES["csv"]])
async def test_while_records_are_being_prepared_the_person_is_asked_to_wait(answering, path):
    answering(NotReady(Posture.AUDIT_UNAVAILABLE, "the index is being built"))
    async with portal_port() as port:
        reader = Reader(port)
        await reader.get()
        page = await reader.get(f"/privacy{path}?lang=de")

    assert page.status == 503
    assert page.answer.all(b"retry-after") == [b"60"]
    assert "Einen Moment bitte" in page.html


async def test_a_log_that_cannot_be_read_is_a_refusal(answering):
    answering(StoreDown(Posture.AUDIT_UNAVAILABLE, "a line of the log cannot be read"))
    async with portal_port() as port:
        reader = Reader(port)
        await reader.get()
        answer = await reader.send(ask(*reader.fields(), target=b"/privacy/disclosures"))

    assert (answer.status, answer.code) == (503, "audit_unavailable")


async def test_the_records_of_whom_a_source_names_are_asked_for(answering):
    asked = answering(Found([], NOW))
    async with portal_port(identity=SIGNED_IN) as port:
        page = await Reader(port, b"X-User: ann@shop.example").get("/privacy/disclosures")
        ann = port.gateway.services.people.find("ann@shop.example")

    assert page.status == 200
    assert asked == [[ann]]
    assert "Nothing about you is recorded" in page.html
    assert 'href="/privacy/disclosures?days=30"' in page.html
    assert "/privacy/receipt" in page.links


async def test_a_head_request_gets_no_body_and_others_are_refused(answering):
    answering(Found([], NOW))
    async with portal_port(identity=SIGNED_IN) as port:
        reader = Reader(port, b"X-User: ann@shop.example")
        head = await reader.send(ask(*reader.fields(), method=b"HEAD", target=b"/privacy/records.csv"), "HEAD")
        post = await reader.post("/privacy/records.csv", b"")

    assert (head.status, head.body) == (200, b"")
    assert head.all(b"content-disposition") == [b'attachment; filename="records.csv"']
    assert post.status == 405


@pytest.mark.parametrize(
    ("version", "lines", "trusted", "where"),
    [
        (b"HTTP/1.1", b"Host: Shop.example:8443\r\n", (), "http://shop.example:8443/privacy"),
        (b"HTTP/1.1", HOST + b"X-Forwarded-Proto: https\r\n", PROXY, "https://shop.example/privacy"),
        (b"HTTP/1.1", HOST + b"X-Forwarded-Proto: https\r\n", (), "http://shop.example/privacy"),
        (b"HTTP/1.1", HOST + b"X-Forwarded-Proto: javascript\r\n", PROXY, "http://shop.example/privacy"),
        (b"HTTP/1.0", b"", (), ""),
    ],
)
async def test_a_receipt_names_the_pages_as_the_person_sees_them(monkeypatch, version, lines, trusted, where):
    named = []

    async def receipt(self, handles, *, caller, where):
        named.append(where)
        return b"{}"

    monkeypatch.setattr(Access, "receipt", receipt)
    async with portal_port(identity=SIGNED_IN, trusted=trusted) as port:
        port.server._clients._trusts = lambda _: True
        answer = await port.ask(b"GET /privacy/receipt.jsonld " + version + b"\r\nX-User: ann\r\n" + lines + b"\r\n")
    assert (answer.status, named) == (200, [where])
