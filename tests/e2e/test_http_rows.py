"""Rewritten messages on the wire (docs/http.md, rows 14 to 37): what RFC 9110 asks of who changes content."""

import gzip
import json
import zlib

import brotlicffi
import pytest
import zstandard
from data_port import REWRITTEN, data_port
from messages import ask
from scripted_upstream import answering

ROUTES = (
    REWRITTEN
    + """\
  - name: labelled
    match: {path: /labelled}
    to: shop
    subject: {field: "header:X-User"}
    request: {rest: pass}
    response:
      fields: {"header:X-Phone": {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - {name: open, match: {path: /open}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""
)
JSON = b"Content-Type: application/json"
FULL = b'{"email":"a@b.example","ssn":"078-05-1120"}'
LEFT = b'{"email":"a@b.example"}'


def reply(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    fields = (b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body))
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def document(*lines: bytes, body: bytes = FULL, status: bytes = b"200 OK") -> bytes:
    return reply(body, JSON, *lines, status=status)


def under(*scripts):
    return data_port(*scripts, routes=ROUTES)


def lines_of(raw: bytes, name: bytes) -> list[bytes]:
    head = raw.partition(b"\r\n\r\n")[0]
    return [
        line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(name.lower() + b":")
    ]


def body_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS", b"PATCH"])
async def test_row_14_a_body_is_read_whatever_the_method(method):
    async with under(answering(document())) as port:
        assert (await port.ask(ask(JSON, method=method, body=FULL))).status == 200
        assert body_of(port.upstream.requests[0]) == LEFT


async def test_row_25_hosts_are_not_mapped_and_redirects_stay_as_they_are():
    location = b"http://shop.example:81/next?a=%41"
    async with under(answering(reply(b"", b"Location: " + location, status=b"302 Found"))) as port:
        answer = await port.ask(ask())
        assert (answer.status, answer.all(b"location")) == (302, [location])
        assert lines_of(port.upstream.requests[0], b"host") == [b"shop.example"]


async def test_row_26_the_length_is_that_of_the_new_body_and_head_has_none():
    async with under(answering(document())) as port:
        client = await port.connect()
        for _ in range(2):
            await client.send(ask())
            answer = await client.answer()
            assert (answer.all(b"content-length"), answer.body) == ([b"%d" % len(LEFT)], LEFT)
    headers = document(b'ETag: "v1"', b"Content-MD5: x", b"Repr-Digest: sha-256=:x:").partition(b"\r\n\r\n")[0]
    async with under(answering(headers + b"\r\n\r\n")) as port:
        answer = await port.ask(ask(method=b"HEAD"), "HEAD")
        assert not answer.all(b"content-length")
        assert not answer.all(b"content-md5")
        assert not answer.all(b"repr-digest")
        assert answer.all(b"etag") != [b'"v1"']


CODERS = {
    b"gzip": (gzip.compress, gzip.decompress),
    b"x-gzip": (gzip.compress, gzip.decompress),
    b"GZip": (gzip.compress, gzip.decompress),
    b"deflate": (zlib.compress, zlib.decompress),
    b"br": (brotlicffi.compress, brotlicffi.decompress),
    b"zstd": (zstandard.compress, zstandard.decompress),
    b"br, gzip": (
        lambda body: gzip.compress(brotlicffi.compress(body)),
        lambda body: brotlicffi.decompress(gzip.decompress(body)),
    ),
    b"deflate, zstd": (
        lambda body: zstandard.compress(zlib.compress(body)),
        lambda body: zlib.decompress(zstandard.decompress(body)),
    ),
}


@pytest.mark.parametrize("label", CODERS)
async def test_row_27_codings_are_taken_off_and_put_back_both_ways(label):
    encode, decode = CODERS[label]
    async with under(answering(document(b"Content-Encoding: " + label, body=encode(FULL)))) as port:
        answer = await port.ask(ask(JSON, b"Content-Encoding: " + label, method=b"POST", body=encode(FULL)))
        (request,) = port.upstream.requests
        assert (lines_of(request, b"content-encoding"), decode(body_of(request))) == ([label], LEFT)
        assert (answer.all(b"content-encoding"), decode(answer.body)) == ([label], LEFT)


@pytest.mark.parametrize(
    ("label", "body", "status"),
    [
        (b"gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(FULL))), 415),
        (b"dcb", FULL, 415),
        (b"gzip", gzip.compress(FULL) + b"junk", 400),
        (b"gzip", gzip.compress(FULL)[:-4], 400),
        (b"zstd", zstandard.compress(FULL) + b"\x50\x2a\x4d\x18\x04\0\0\0junk", 400),
    ],
    ids=["three layers", "unknown", "trailing junk", "cut short", "skippable frame"],
)
async def test_row_27_doubtful_codings_are_refused_both_ways(label, body, status):
    async with under(answering(document(b"Content-Encoding: " + label, body=body))) as port:
        answer = await port.ask(ask(JSON, b"Content-Encoding: " + label, method=b"POST", body=body))
        assert (answer.status, port.upstream.connections) == (status, 0)
        assert (await port.ask(ask())).status == 502


async def test_row_27_what_no_rule_reads_keeps_its_coding():
    coded = gzip.compress(FULL)
    async with under(answering(document(b"Content-Encoding: gzip", body=coded))) as port:
        raw = ask(JSON, b"Content-Encoding: gzip", b"Accept-Encoding: exi", method=b"POST", target=b"/open", body=coded)
        assert (await port.ask(raw)).body == coded
        (request,) = port.upstream.requests
        assert (body_of(request), lines_of(request, b"accept-encoding")) == (coded, [b"exi"])


@pytest.mark.parametrize(
    ("wishes", "onward"),
    [
        ((), [b"identity"]),
        ((b"Accept-Encoding: gzip, dcb;q=0.9, br;q=0.5, *",), [b"gzip, br;q=0.5"]),
        ((b"Accept-Encoding: dcz", b"accept-encoding: zstd"), [b"identity", b"zstd"]),
    ],
)
async def test_row_28_the_upstream_may_answer_only_in_what_can_be_read(wishes, onward):
    more = (b"Available-Dictionary: :x:", b"Dictionary-ID: x", b"A-IM: diffe")
    async with under(answering(document(b"Vary: Accept-Encoding"))) as port:
        answer = await port.ask(ask(*wishes, *more))
        (request,) = port.upstream.requests
        assert lines_of(request, b"accept-encoding") == onward
        assert not any(lines_of(request, name) for name in (b"available-dictionary", b"dictionary-id", b"a-im"))
        assert answer.all(b"vary") == [b"Accept-Encoding"]


@pytest.mark.parametrize("tag", [b'"v1"', b'W/"v1"', b'""'])
async def test_row_29_entity_tags_make_the_round_trip(tag):
    async with under(answering(document(b"ETag: " + tag))) as port:
        seen = (await port.ask(ask())).all(b"etag")[0]
        assert seen != tag
        assert seen.startswith(tag[:-1])
        await port.ask(ask(JSON, b"If-Match: " + seen, method=b"PUT", body=FULL))
        await port.ask(ask(b'If-None-Match: "other", ' + seen))
        await port.ask(ask(b"If-Match: *"))
        _, put, get, star = port.upstream.requests
        assert lines_of(put, b"if-match") == [tag]
        assert lines_of(get, b"if-none-match") == [b'"other", ' + tag]
        assert lines_of(star, b"if-match") == [b"*"]


async def test_row_29_other_rules_are_another_representation():
    async with under(answering(document(b'ETag: "v1"'))) as port:
        before = (await port.ask(ask())).all(b"etag")
    async with data_port(answering(document(b'ETag: "v1"')), routes=ROUTES.replace("/open", "/opened")) as port:
        assert (await port.ask(ask(b"If-None-Match: " + before[0]))).all(b"etag") != before
        assert lines_of(port.upstream.requests[0], b"if-none-match") == before


DIGESTS = (
    b"Content-MD5: x",
    b"Digest: sha-256=x",
    b"Content-Digest: sha-256=:x:",
    b"Repr-Digest: sha-256=:x:",
    b'Signature-Input: s=("content-digest")',
    b"Signature: s=:x:",
)


async def test_row_30_no_digest_of_the_original_goes_along():
    async with under(answering(document(*DIGESTS))) as port:
        answer = await port.ask(ask(JSON, *DIGESTS, method=b"POST", body=FULL))
        (request,) = port.upstream.requests
        for line in DIGESTS:
            name = line.partition(b":")[0]
            assert not lines_of(request, name)
            assert not answer.all(name.lower())


async def test_row_30_the_digest_of_an_unchanged_request_stays():
    async with under(answering(document())) as port:
        await port.ask(ask(JSON, *DIGESTS, method=b"POST", body=LEFT))
        assert body_of(port.upstream.requests[0]) == LEFT
        assert all(lines_of(port.upstream.requests[0], line.partition(b":")[0]) for line in DIGESTS)


async def test_row_31_ranges_are_not_asked_for_and_not_served_where_rules_read():
    async with under(answering(document(b"Accept-Ranges: bytes"))) as port:
        answer = await port.ask(ask(b"Range: bytes=0-20", b'If-Range: "v1"'))
        assert (answer.status, answer.body, answer.all(b"accept-ranges")) == (200, LEFT, [b"none"])
        assert not lines_of(port.upstream.requests[0], b"range")
        assert not lines_of(port.upstream.requests[0], b"if-range")
        await port.ask(ask(b"Range: bytes=0-20", target=b"/open"))
        assert lines_of(port.upstream.requests[1], b"range") == [b"bytes=0-20"]


@pytest.mark.parametrize(
    "answer",
    [
        document(b"Content-Range: bytes 0-22/99", body=LEFT, status=b"206 Partial Content"),
        document(b"Content-Range: bytes 0-22/99", body=LEFT),
        document(b"IM: diffe", body=LEFT, status=b"226 IM Used"),
        reply(b"--b\r\n\r\n" + FULL + b"\r\n--b--", b"Content-Type: multipart/byteranges; boundary=b"),
    ],
    ids=["206", "Content-Range", "226", "byteranges"],
)
async def test_row_31_parts_of_documents_are_refused(answer):
    async with under(answering(answer)) as port:
        got = await port.ask(ask())
        assert got.status == 502
        assert b"a@b.example" not in got.body


async def test_row_32_no_transform_lets_no_rule_be_skipped():
    async with under(answering(document(b"Cache-Control: no-transform"))) as port:
        answer = await port.ask(ask(JSON, b"Cache-Control: no-transform", method=b"POST", body=FULL))
        assert (answer.body, answer.all(b"cache-control")) == (LEFT, [b"no-transform"])
        assert body_of(port.upstream.requests[0]) == LEFT


SHARED = {
    "nothing said": ((), [b"private"]),
    "public": ((b"Cache-Control: public, max-age=60, s-maxage=600",), [b"private, max-age=60"]),
    "two lines": ((b"Cache-Control: public", b"cache-control: max-age=5"), [b"private, max-age=5"]),
    "private": ((b"Cache-Control: private, max-age=60",), [b"private, max-age=60"]),
    "no-store": ((b"Cache-Control: no-store",), [b"no-store"]),
}


@pytest.mark.parametrize(("said", "sent"), SHARED.values(), ids=SHARED)
async def test_row_35_no_shared_cache_keeps_what_depends_on_a_person(said, sent):
    async with under(answering(document(*said, body=b'{"phone":"1","ok":true}'))) as port:
        answer = await port.ask(ask(b"X-User: ann@example.com", target=b"/mine"))
        assert (answer.body, answer.all(b"cache-control")) == (b'{"ok":true}', sent)


@pytest.mark.parametrize(
    ("label", "body", "status"),
    [
        (b"application/json; charset=UTF-8", FULL, 200),
        (b"application/json; charset=utf-16", FULL.decode().encode("utf-16"), 415),
        (b"application/json", FULL.decode().encode("utf-16-le"), 415),
        (b"application/json; charset=iso-8859-1", FULL, 415),
    ],
    ids=["UTF-8", "UTF-16", "UTF-16 without a label", "Latin-1"],
)
async def test_row_36_only_one_charset_is_read_and_its_label_stays(label, body, status):
    async with under(answering(document())) as port:
        answer = await port.ask(ask(b"Content-Type: " + label, method=b"POST", body=body))
        assert answer.status == status
        requests = port.upstream.requests
        assert [lines_of(raw, b"content-type") for raw in requests] == [[label]] * (status == 200)


STATUSES = [b"201 Created", b"203 N", b"299 N", b"301 Moved", b"400 Bad Request", b"404 Not Found", b"422 U", b"451 N",
            b"500 Internal Server Error", b"503 Service Unavailable", b"599 N"]  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
async def test_row_37_rules_hold_for_every_status(status):
    async with under(answering(document(status=status))) as port:
        answer = await port.ask(ask())
        assert (answer.status, answer.body) == (int(status[:3]), LEFT)


@pytest.mark.parametrize("status", STATUSES)
async def test_row_37_a_stack_trace_does_not_pass(status):
    trace = b"<pre>ValueError: a@b.example"
    async with under(answering(reply(trace, b"Content-Type: text/html", status=status))) as port:
        answer = await port.ask(ask())
        problem = json.loads(answer.body)
        assert (answer.status, problem["status"], problem["code"]) == (502, 502, "unknown_media_type")
        assert b"a@b.example" not in answer.body


async def test_row_34_trailers_pass_neither_way():
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Email: a@b.example\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\nTrailer: X-Email\r\n" + chunked % (len(LEFT), LEFT)
    for target in (b"/doc", b"/open"):
        async with under(answering(answer)) as port:
            raw = ask(JSON, b"Trailer: X-Email", method=b"POST", target=target)[:-2]
            client = await port.connect()
            await client.send(raw + chunked % (len(LEFT), LEFT), b"")
            got = await client.answer()
            assert (got.body, got.all(b"trailer"), got.all(b"x-email")) == (LEFT, [], [])
            assert b"x-email" not in port.upstream.requests[0].lower()


async def test_row_24_singletons_of_requests_and_answers():
    async with under(answering(document(b'ETag: "1"', b'etag: "2"'))) as port:
        for name in (b"Content-Type", b"Authorization"):
            answer = await port.ask(ask(name + b": a/b", name.lower() + b": c/d", method=b"POST", body=b"{}"))
            assert (answer.status, port.upstream.connections) == (400, 0)
        assert (await port.ask(ask())).code == "upstream_broken"


async def test_row_35_what_depends_on_the_opt_out_signal_says_so():
    async with under(answering(document(b"Vary: Origin", body=b'{"phone":"1"}'))) as port:
        answer = await port.ask(ask(b"Sec-GPC: 1", target=b"/mine"))
        assert (answer.body, answer.all(b"vary")) == (b"{}", [b"Origin, Sec-GPC"])


async def test_row_35_a_field_that_depends_on_a_person_is_private_too():
    async with under(answering(document(b"Cache-Control: public", b"X-Phone: 1"))) as port:
        answer = await port.ask(ask(b"X-User: ann@example.com", target=b"/labelled"))
        assert (answer.all(b"x-phone"), answer.all(b"cache-control")) == ([], [b"private"])
