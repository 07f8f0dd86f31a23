"""The strict reading of what frames a form's parts: the boundary and each part's header fields.

Receivers read odd forms differently (RFC 7578 section 5.3), so only one form of each is read: the
boundary as a single token or quoted string, a name as a single token or quoted string without
backslash, no field twice, no folded lines, no transfer or content coding, no multipart inside.
"""

import re

import msgspec

from gateway.documents.media import content_type_of, parse_content_type
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs
from gateway.model.words import Posture

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_DISPOSITION = re.compile(rb"form-data", re.IGNORECASE)
_PARAMETER = re.compile(
    rb"[ \t]*;[ \t]*(?P<name>[A-Za-z]+)="
    rb'(?:"(?P<quoted>[^"\\]*)"|(?P<token>[!#$%&\'*+\-.^_`|~0-9A-Za-z]+))[ \t]*'
)
_FIELDS = frozenset({b"content-disposition", b"content-type", b"content-transfer-encoding", b"content-length"})
_NO_CODING = frozenset({b"7bit", b"8bit", b"binary"})


def boundary_of(headers: HeaderPairs) -> bytes:
    """The boundary that the one Content-Type names (RFC 2046 section 5.1.1).

    Raises:
        Unreadable: UNKNOWN_MEDIA_TYPE or UNPARSABLE_BODY.
    """
    content_type = content_type_of(headers)
    boundary = "" if content_type is None else content_type.parameters.get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the multipart boundary is missing or malformed")
    return boundary.encode("ascii")


class PartHead(msgspec.Struct, frozen=True):
    """The header block of one part: its exact bytes without the blank line, and what they say.

    `file_name` is the span of bytes, quotes included, that holds a file's name.
    """

    raw: bytes
    name: str
    file_name: tuple[int, int] | None

    def with_file_name(self, text: str) -> bytes:
        """The block with another file name, escaped as WHATWG's form submission does."""
        if self.file_name is None:
            return self.raw
        start, end = self.file_name
        escaped = text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\\", "/")
        escaped = re.sub(r"[\x00-\x1f\x7f]", " ", escaped)
        return b'%s"%s"%s' % (self.raw[:start], escaped.encode("utf-8"), self.raw[end:])

    def file_name_text(self) -> str | None:
        if self.file_name is None:
            return None
        start, end = self.file_name
        return self.raw[start:end].strip(b'"').decode("utf-8")


def parse_part_head(raw: bytes, limits: Limits) -> PartHead:
    """Read a part's header block, given without the blank line that ends it.

    Raises:
        Unreadable: UNPARSABLE_BODY; UNDECODABLE_CHARSET for a charset other than UTF-8; OVER_SIZE
            over `limits.multipart_part_headers` fields.
    """
    lines = raw.split(b"\r\n")
    if len(lines) > limits.multipart_part_headers:
        raise Unreadable(Posture.OVER_SIZE, "a part has too many header fields")
    fields: dict[bytes, tuple[bytes, int]] = {}
    position = 0
    for line in lines:
        match = _LINE.fullmatch(line)
        name = b"" if match is None else match[1].lower()
        if match is None or name not in _FIELDS or name in fields:
            raise Unreadable(Posture.UNPARSABLE_BODY, "a part has a malformed, repeated or foreign header field")
        fields[name] = (match[2], position + match.start(2))
        position += len(line) + 2
    if fields.get(b"content-transfer-encoding", (b"binary", 0))[0].lower() not in _NO_CODING:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part has a transfer encoding")
    if b"content-type" in fields:
        _check_type(fields[b"content-type"][0])
    if b"content-disposition" not in fields:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part has no Content-Disposition")
    return _disposition(raw, *fields[b"content-disposition"])


def _check_type(value: bytes) -> None:
    try:
        content_type = parse_content_type(value)
    except Unreadable:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part's Content-Type is malformed") from None
    if content_type.essence.startswith(("multipart/", "message/")):
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part holds parts of its own")
    if content_type.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "a part has a charset that the gateway does not read")


def _disposition(raw: bytes, value: bytes, offset: int) -> PartHead:
    start = _DISPOSITION.match(value)
    if start is None:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part's disposition is not form-data")
    found: dict[bytes, tuple[bytes, int, int]] = {}
    position = start.end()
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None or match["name"].lower() in found:
            raise Unreadable(Posture.UNPARSABLE_BODY, "a part's Content-Disposition is malformed")
        group = "token" if match["quoted"] is None else "quoted"
        quotes = group == "quoted"
        found[match["name"].lower()] = (match[group], match.start(group) - quotes, match.end(group) + quotes)
        position = match.end()
    # RFC 7578 section 4.2 forbids `filename*`; one file with two names is two files to two readers.
    if b"name" not in found or not found.keys() <= {b"name", b"filename"}:
        raise Unreadable(Posture.UNPARSABLE_BODY, "a part has no name, or parameters besides name and filename")
    try:
        name = found[b"name"][0].decode("utf-8")
        found.get(b"filename", (b"", 0, 0))[0].decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "a part's name is not UTF-8") from None
    if name == "_charset_":
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the form names its own charset")
    if b"filename" not in found:
        return PartHead(raw, name, None)
    _, begin, end = found[b"filename"]
    return PartHead(raw, name, (offset + begin, offset + end))
