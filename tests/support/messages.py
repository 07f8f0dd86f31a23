"""Whole messages as bytes, for tests that speak HTTP on a socket."""

HOST = b"Host: shop.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
JSON = b"Content-Type: application/json\r\n"


def order(body: bytes, *lines: bytes, target: bytes = b"/orders") -> bytes:
    head = b"POST %b HTTP/1.1\r\n" % target + HOST + JSON + b"".join(line + b"\r\n" for line in lines)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answer_of(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def ask(*lines: bytes, method: bytes = b"GET", target: bytes = b"/doc", body: bytes | None = None) -> bytes:
    fields = [b"Host: shop.example", *lines]
    if body is not None:
        fields.append(b"Content-Length: %d" % len(body))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, target, b"\r\n".join(fields)) + (body or b"")
