"""Who signed in, by what an application answers. Pure: what is made of it is the driver's."""

import re
from urllib.parse import unquote_to_bytes

from gateway.crypto.keyring import names_visitor
from gateway.documents.document import label_of, open_body
from gateway.documents.headers import read_header
from gateway.engine.reading import may_have_content
from gateway.engine.rewrite import Content
from gateway.model.address import Address, Place
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, ResponseHead, header_values
from gateway.policy.policy import SignsIn

_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9A-Fa-f])|([\"\\/]))")
"""Those of RFC 8259, section 7, that stand for what a cookie's value can hold."""


def succeeded(signs_in: SignsIn, head: ResponseHead) -> bool:
    """Whether an answer has a status of success and, as a redirection, leads to where success does."""
    if head.status not in signs_in.statuses:
        return False
    if not signs_in.locations or not 300 <= head.status < 400:
        return True
    locations = header_values(head.headers, b"location")
    return len(locations) == 1 and _path_of(locations[0]) in signs_in.locations


def names_person_in_body(signs_in: SignsIn, method: str, head: ResponseHead) -> bool:
    """Whether the body of this answer has to be read to know who signed in."""
    person = signs_in.person
    if person is None or person.place is not Place.BODY:
        return False
    return succeeded(signs_in, head) and may_have_content(method, head)


def person_in_answer(
    signs_in: SignsIn, head: ResponseHead, content: Content | bytes | None, limits: Limits
) -> str | None:
    """Whom the answer itself names; None where it names nobody, several, or cannot be read without doubt."""
    person = signs_in.person
    if person is None:
        return None
    try:
        found = _values_at(person, head.headers, content, limits)
    except Unreadable:
        return None
    return found[0] if len(set(found)) == 1 and found[0] and not names_visitor(found[0]) else None


def is_known_before(value: bytes, target: bytes, headers: HeaderPairs, content: Content | bytes | None) -> bool:
    """Whether the request itself held this text, so that it is not the application that made it up.

    A session that the client brought along may be known to whoever made the client bring it. Percent-encoding
    and the escapes of JSON hide nothing: applications undo them in addresses, forms and cookies.
    """
    spoken = [target, *(line for _, line in headers)]
    if isinstance(content, Content):
        spoken.append(content.plain)
    elif content:
        spoken.append(content)
    values = {value, unquote_to_bytes(value)}
    return any(each in form for said in spoken for form in _readings(said) for each in values)


def _readings(said: bytes) -> set[bytes]:
    """A text as it stands, and as it reads without percent-encoding, and without the escapes of JSON."""
    readings = {said}
    if b"%" in said:
        readings.add(unquote_to_bytes(said))
    if b"\\" in said:
        readings.add(_ESCAPE.sub(lambda match: match[2] or bytes([int(match[1], 16)]), said))
    return readings


def _values_at(person: Address, headers: HeaderPairs, content: Content | bytes | None, limits: Limits) -> list[str]:
    if person.place is Place.HEADER:
        return read_header(headers, person.name)
    if isinstance(content, Content):
        return content.document.read(person)
    if not content:
        return []
    return open_body(label_of(headers, limits), content, limits).document.read(person)


def _path_of(location: bytes) -> bytes:
    """The path that a Location leads to (RFC 9110 section 10.2.2), as it is written."""
    reference = location.partition(b"#")[0].partition(b"?")[0]
    scheme, colon, rest = reference.partition(b":")
    if colon and b"/" not in scheme:
        reference = rest
    if reference.startswith(b"//"):
        return b"/" + reference[2:].partition(b"/")[2]
    return reference
