"""What a client really gets of a page with third parties, whole or flowing, in whatever coding it came."""

import asyncio
import gzip

import pytest
from data_port import data_port
from scripted_upstream import answering

from gateway.documents.coding import encode_body
from gateway.runtime.embedded import DOUBTFUL, MOST, OTHER, Embedded, merged
from gateway.runtime.metrics import render

ROUTES = """\
  counter: {role: partner, hosts: [counter.example], embedded_for: analytics}
  maps: {role: partner, hosts: ["127.0.0.1:8081"], embedded_for: service}
routes:
  - name: short
    match: {path: /short}
    to: shop
    subject: identity
    body_limit: 2KiB
    request: {rest: pass}
    response: {rest: pass, pages: {}}
  - name: reported
    match: {path: /reported}
    to: shop
    subject: identity
    request: {rest: pass}
    response: {rest: pass, pages: {mode: report}}
  - name: watched
    match: {path: /watched}
    to: shop
    mode: observe
    subject: identity
    request: {rest: pass}
    response: {rest: pass, pages: {}}
  - name: pages
    match: {path: /**}
    to: shop
    subject: identity
    request: {rest: pass}
    response: {rest: pass, pages: {}}
"""
PLAIN = b"<!doctype html><p>a</p><script src=/own.js></script><img src=//127.0.0.1:8081/map>\n" + b"<p>text</p>\n" * 20
THIRD = b"<script src=//counter.example/c.js></script><iframe src=//other.example/f></iframe>"
HELD = b'<script type="text/plain" data-privacy-src=//counter.example/c.js></script><iframe srcdoc='
LONG = PLAIN + b"<p>more</p>\n" * 4000


def answer(body, *fields, chunked=False):
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: text/html; charset=utf-8", *fields]
    if not chunked:
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
    pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", coded])


def request(path=b"/", method=b"GET"):
    return b"%b %b HTTP/1.1\r\nHost: shop.example\r\nAccept-Encoding: gzip, br, zstd, x-new\r\n\r\n" % (method, path)


async def got(raw, path=b"/", method="GET"):
    async with data_port(answering(raw), routes=ROUTES) as port:
        return await port.ask(request(path, method.encode()), method)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_page_comes_with_its_third_parties_held_back(chunked):
    page = PLAIN + THIRD

    found = await got(answer(page, b'ETag: "a"', b"Content-MD5: x", chunked=chunked))

    assert found.status == 200
    assert found.body.startswith(PLAIN + HELD)
    assert found.body.count(b" src=//127.0.0.1:8081/map") == 1
    assert found.all(b"content-length") == [b"%d" % len(found.body)]
    assert found.all(b"content-md5") == []
    assert found.all(b"etag")[0].startswith(b'"a-pg')
    assert b"default-src 'self' 127.0.0.1:8081 'unsafe-inline'" in found.all(b"content-security-policy")[0]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_page_with_nothing_to_change_is_the_same_bytes_in_the_same_coding(coding, chunked):
    body = encode_body(PLAIN, (coding,))

    found = await got(answer(body, b"Content-Encoding: " + coding.encode(), chunked=chunked))

    assert found.body == body
    assert found.all(b"content-encoding") == [coding.encode()]


async def test_a_page_that_is_changed_is_coded_anew():
    found = await got(answer(gzip.compress(PLAIN + THIRD), b"Content-Encoding: gzip"))

    assert gzip.decompress(found.body).startswith(PLAIN + HELD)


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_page_over_the_limit_flows(coded, chunked):
    page = LONG + THIRD
    noise = b"".join(b"<!-- %d -->" % (number * 7919 % 99991) for number in range(3000))
    body = gzip.compress(noise + page) if coded else noise + page
    fields = (b"Content-Encoding: gzip",) if coded else ()

    found = await got(answer(body, *fields, chunked=chunked), b"/short")

    assert found.all(b"transfer-encoding") == [b"chunked"]
    plain = gzip.decompress(found.body) if coded else found.body
    assert plain.startswith(noise + LONG + HELD)


async def test_a_page_without_a_length_below_the_limit_is_held_whole():
    found = await got(answer(PLAIN[:1000], chunked=True), b"/short")

    assert found.all(b"content-length") == [b"%d" % len(PLAIN[:1000])]
    assert found.body == PLAIN[:1000]


@pytest.mark.parametrize("path", [b"/reported", b"/watched"])
async def test_a_page_that_is_only_looked_at_is_as_it_came(path):
    page = PLAIN + THIRD
    async with data_port(answering(answer(page, b"Accept-CH: DPR")), routes=ROUTES) as port:
        found = await port.ask(request(path))
        rows = port.gateway.services.metrics.snapshot().embedded
        text = render(port.gateway.services.metrics.snapshot())

    assert found.body == page
    assert found.all(b"content-security-policy") == []
    assert found.all(b"accept-ch") == [b"DPR"]
    assert {host for host, _, _ in rows} == {"127.0.0.1:8081", "counter.example", "other.example"}
    assert b'privacy_gateway_embedded_hosts_total{host="counter.example"' in text


async def test_what_was_held_is_counted_by_host():
    async with data_port(answering(answer(THIRD)), routes=ROUTES) as port:
        await port.ask(request())
        await port.ask(request())
        rows = port.gateway.services.metrics.snapshot().embedded

    assert sorted(rows) == [("counter.example", True, 2), ("other.example", True, 2)]


def test_names_that_are_none_and_too_many_are_counted_together():
    embedded = Embedded()
    embedded.note({(f"h{number}.example", True): 1 for number in range(MOST - 2)})
    embedded.note({("", True): 1, ("ann@x y", True): 1, ("late.example", True): 3, ("late.example", False): 1})

    rows = {row[:2]: row[2] for row in merged([embedded.rows(), embedded.rows()])}

    assert rows[DOUBTFUL, True] == 2
    assert rows[OTHER, True] == 8
    assert rows["h0.example", True] == 2
    assert not any(host == "late.example" for host, _ in rows)


async def test_a_page_that_can_be_read_in_two_ways_is_refused():
    found = await got(answer(b"<!doctype html><select><style><img src=//other.example></style>"))

    assert (found.status, found.code) == (502, "unparsable_body")


async def test_one_that_turns_out_so_while_it_flows_is_broken_off():
    page = LONG * 8 + b"<select><style><img src=//other.example></style>"
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await got(answer(page), b"/short")


async def test_a_page_that_must_not_be_transformed_is_not_but_the_browser_is_told():
    found = await got(answer(PLAIN + THIRD, b"Cache-Control: no-transform"))

    assert found.body == PLAIN + THIRD
    assert len(found.all(b"content-security-policy")) == 1


async def test_the_head_of_a_page_has_the_same_fields():
    found = await got(answer(PLAIN + THIRD), method="HEAD")

    assert len(found.all(b"content-security-policy")) == 1


async def test_what_is_no_page_passes_as_it_is_in_parts_too():
    raw = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-3/9\r\n"
        b"Accept-Ranges: bytes\r\nContent-Length: 4\r\n\r\nvide"
    )
    async with data_port(answering(raw), routes=ROUTES) as port:
        found = await port.ask(request().replace(b"\r\n\r\n", b"\r\nRange: bytes=0-3\r\n\r\n"))
        sent = port.upstream.requests[0]

    assert (found.status, found.body) == (206, b"vide")
    assert found.all(b"accept-ranges") == [b"bytes"]
    assert found.all(b"content-security-policy") == []
    assert b"Range: bytes=0-3\r\n" in sent
    assert b"Accept-Encoding: gzip, br, zstd\r\n" in sent


async def test_heads_that_come_again_are_answered_alike():
    async with data_port(
        answering(answer(PLAIN + THIRD, b"Date: Tue, 24 Nov 2026 00:00:00 GMT")), routes=ROUTES
    ) as port:
        client = await port.connect()
        found = []
        for _ in range(8):
            await client.send(request())
            found.append(await client.answer())

    assert {each.body for each in found} == {found[0].body}
    assert {each.all(b"content-security-policy")[0] for each in found} == set(found[0].all(b"content-security-policy"))
