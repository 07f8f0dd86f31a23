"""Captured requests to explain: raw HTTP from a file, an entry of a HAR, or a curl command line."""

import base64
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

import click
import msgspec

from gateway.model.message import RequestHead, ResponseHead

_SIMPLE_FLAGS = {
    "-A": b"User-Agent", "--user-agent": b"User-Agent", "-e": b"Referer", "--referer": b"Referer",
    "-b": b"Cookie", "--cookie": b"Cookie",
}  # fmt: skip
_DATA_FLAGS = {"-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--json"}
_IGNORED_FLAGS = {
    "-s", "--silent", "-S", "--show-error", "-v", "--verbose", "-i", "--include", "-k", "--insecure",
    "-L", "--location", "--compressed", "-f", "--fail", "-g", "--globoff", "-N", "--no-buffer", "--http1.1",
}  # fmt: skip
_IGNORED_WITH_VALUE = {"-o", "--output", "-m", "--max-time", "-w", "--write-out", "--connect-timeout", "-x", "--proxy"}
_HOP_BY_HOP = {b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"te", b"upgrade", b"host"}


class Capture(msgspec.Struct, frozen=True):
    head: RequestHead
    body: bytes
    response: tuple[ResponseHead, bytes] | None = None


def read_capture(path: Path, entry: int = 0) -> Capture:
    """A capture from a file: a HAR where it is JSON with a `log`, raw HTTP otherwise.

    Raises:
        click.UsageError: the file holds neither.
    """
    raw = path.read_bytes()
    if raw.lstrip().startswith(b"{"):
        return _from_har(raw, entry)
    line, headers, body = _split(raw, "request")
    words = line.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):
        raise click.UsageError("the first line is not 'METHOD TARGET HTTP/1.1'")
    host = {name.lower(): value for name, value in headers}.get(b"host", b"localhost")
    return _capture(words[0].decode(), words[1], host.decode(), headers, body)


def read_response(path: Path) -> tuple[ResponseHead, bytes]:
    """A raw HTTP response from a file."""
    line, headers, body = _split(path.read_bytes(), "response")
    words = line.split(b" ", 2)
    if not words[0].startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
        raise click.UsageError("the first line is not 'HTTP/1.1 STATUS REASON'")
    return ResponseHead(int(words[1]), _end_to_end(headers)), body


def _split(raw: bytes, what: str) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    head, gap, body = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
    if not gap and not head.strip():
        raise click.UsageError(f"the file holds no HTTP {what}")
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    headers: list[tuple[bytes, bytes]] = []
    for number, line in enumerate(lines[1:], start=2):
        name, colon, value = line.partition(b":")
        if not line:
            continue
        if not colon or not name.strip():
            raise click.UsageError(f"line {number} of the {what} is not 'Name: value'")
        headers.append((name, value.strip()))
    # Editors end files with a line feed that no client sent.
    return lines[0], headers, body[:-1] if body.endswith(b"\n") and b"\r\n" not in head else body


def _from_har(raw: bytes, index: int) -> Capture:
    try:
        entry: dict[str, Any] = json.loads(raw)["log"]["entries"][index]
        request, answer = entry["request"], entry.get("response")
        url = urlsplit(request["url"])
        body = request.get("postData", {}).get("text", "").encode()
        capture = _capture(request["method"], _target(url.path, url.query), url.netloc, _har_headers(request), body)
        if not answer or not answer.get("status"):
            return capture
        content = answer.get("content", {})
        text = content.get("text", "")
        payload = base64.b64decode(text) if content.get("encoding") == "base64" else text.encode()
        headers = [pair for pair in _har_headers(answer) if pair[0].lower() != b"content-encoding"]
        return msgspec.structs.replace(
            capture, response=(ResponseHead(answer["status"], _end_to_end(headers)), payload)
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
        raise click.UsageError(f"the file is no HAR with an entry {index}") from problem


def _har_headers(message: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    pairs = [(each["name"].encode(), each["value"].encode()) for each in message["headers"]]
    return [pair for pair in pairs if not pair[0].startswith(b":")]


def parse_curl(command: str) -> Capture:
    """A capture from a curl command line, as browsers' "copy as cURL" gives it.

    Raises:
        click.UsageError: an option that is not understood here; nothing is guessed.
    """
    words = shlex.split(_ANSI_C.sub(_requoted, command.replace("\\\n", " ")))
    if words[:1] != ["curl"]:
        raise click.UsageError("the command does not begin with 'curl'")
    return _Curl(words[1:]).capture()


_ANSI_C = re.compile(r"(?<!\S)\$'((?:[^'\\]|\\.)*)'")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}


def _requoted(match: re.Match[str]) -> str:
    """Bash's $'…', as browsers write bodies, as a word in ordinary quotes."""

    def plain(escape: re.Match[str]) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        return _ESCAPES.get(escape[2], escape[0])

    return shlex.quote(re.sub(r"\\(?:[ux]([0-9a-fA-F]{2,4})|(.))", plain, match[1]))


class _Curl:
    def __init__(self, words: list[str]) -> None:
        self.method = ""
        self.url = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.data: list[bytes] = []
        self.parts: list[tuple[str, str]] = []
        self.in_query = False
        self.head_only = False
        self._words = words
        while self._words:
            self._take(self._words.pop(0))

    def _value(self, flag: str) -> str:
        if not self._words:
            raise click.UsageError(f"curl's {flag} needs a value")
        return self._words.pop(0)

    def _take(self, word: str) -> None:
        if not word.startswith("-"):
            self.url = word
            return
        flag, joined, attached = word.partition("=") if word.startswith("--") else (word, "", "")
        if word[1] != "-" and word[:2] in _SHORT_WITH_VALUE and len(word) > 2:
            flag, joined, attached = word[:2], "=", word[2:]
        if joined:
            self._words.insert(0, attached)
        take = _FLAGS.get(flag)
        if take is not None:
            take(self, self._value(flag))
        elif flag in _DATA_FLAGS:
            self._add_data(flag, self._value(flag))
        elif flag in _SIMPLE_FLAGS:
            self.headers.append((_SIMPLE_FLAGS[flag], self._value(flag).encode()))
        elif flag in _SWITCHES:
            setattr(self, _SWITCHES[flag], True)
        elif flag in _IGNORED_WITH_VALUE:
            self._value(flag)
        elif flag not in _IGNORED_FLAGS:
            raise click.UsageError(f"curl's option {flag} is not understood here")

    def set_method(self, value: str) -> None:
        self.method = value

    def add_part(self, value: str) -> None:
        name, _, text = value.partition("=")
        if text[:1] in ("@", "<"):
            raise click.UsageError("curl's '@file' is not read here; put the data into the command")
        self.parts.append((name, text.partition(";")[0]))

    def set_url(self, value: str) -> None:
        self.url = value

    def add_header(self, value: str) -> None:
        name, _, text = value.partition(":")
        self.headers.append((name.encode(), text.strip().encode()))

    def add_user(self, value: str) -> None:
        self.headers.append((b"Authorization", b"Basic " + base64.b64encode(value.encode())))

    def _add_data(self, flag: str, value: str) -> None:
        if value.startswith("@") and flag != "--data-raw":
            raise click.UsageError("curl's '@file' is not read here; put the data into the command")
        if flag == "--data-urlencode":
            name, equals, text = value.partition("=")
            value = f"{name}={quote_plus(text)}" if equals else quote_plus(value)
        if flag == "--json":
            self.headers += [(b"Content-Type", b"application/json"), (b"Accept", b"application/json")]
        self.data.append(value.encode())

    def capture(self) -> Capture:
        if not self.url:
            raise click.UsageError("the curl command names no URL")
        url = urlsplit(self.url if "://" in self.url else "http://" + self.url)
        if self.parts:
            self.headers.append((b"Content-Type", b"multipart/form-data; boundary=" + _BOUNDARY))
            self.data = [_form_data(self.parts)]
        joiner = b"" if any(value == b"application/json" for _, value in self.headers) else b"&"
        body = joiner.join(self.data)
        query = url.query
        if self.in_query:
            query, body = "&".join(filter(None, [query, body.decode()])), b""
        elif self.data and not any(name.lower() == b"content-type" for name, _ in self.headers):
            self.headers.append((b"Content-Type", b"application/x-www-form-urlencoded"))
        method = self.method or ("HEAD" if self.head_only else "POST" if body else "GET")
        return _capture(method, _target(url.path, query), url.netloc, self.headers, body)


_FLAGS: dict[str, Callable[[_Curl, str], None]] = {
    **dict.fromkeys(("-X", "--request"), _Curl.set_method),
    **dict.fromkeys(("-H", "--header"), _Curl.add_header),
    **dict.fromkeys(("-u", "--user"), _Curl.add_user),
    **dict.fromkeys(("-F", "--form", "--form-string"), _Curl.add_part),
    "--url": _Curl.set_url,
}
_BOUNDARY = b"privacy-gateway-explain"
_SWITCHES = {"-G": "in_query", "--get": "in_query", "-I": "head_only", "--head": "head_only"}
_SHORT_WITH_VALUE = ("-F", "-X", "-H", "-d", "-b", "-A", "-e", "-u")


def _form_data(parts: list[tuple[str, str]]) -> bytes:
    lines = [
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (_BOUNDARY, name.encode(), text.encode())
        for name, text in parts
    ]
    return b"".join(lines) + b"--" + _BOUNDARY + b"--\r\n"


def _target(path: str, query: str) -> bytes:
    return ((path or "/") + ("?" + query if query else "")).encode()


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP)


def _capture(method: str, target: bytes, host: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Capture:
    host = host.rpartition("@")[2].lower()
    pairs = ((b"Host", host.encode()), *_end_to_end(headers))
    return Capture(RequestHead(method, target, host, pairs, has_body=bool(body)), body)
