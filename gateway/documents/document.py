"""One way to open any body: the label chooses the reader, and every reader offers the same two verbs."""

from functools import lru_cache
from typing import Protocol

import msgspec

from gateway.documents.coding import codings_of, decode_body
from gateway.documents.edit import Edited, PartEdit
from gateway.documents.form_body import open_form
from gateway.documents.json_body import open_json
from gateway.documents.media import Media, content_type_of, media_and_charset
from gateway.documents.multipart_body import open_multipart
from gateway.documents.ndjson_body import open_ndjson
from gateway.documents.text_body import open_text
from gateway.model.address import Address
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs


class Document(Protocol):
    """A body as values at addresses. Reading and editing never change the document itself."""

    @property
    def media(self) -> Media: ...

    def read(self, address: Address) -> list[str]:
        """Text of every scalar that the address selects, in document order."""
        ...

    def edit(self, edit: PartEdit) -> Edited:
        """The body after the edit; the very object that was opened where nothing changes."""
        ...


class Label(msgspec.Struct, frozen=True):
    """What Content-Type and Content-Encoding, the `fields`, say. `media` is None where the body has a say in it too."""

    fields: HeaderPairs
    codings: tuple[str, ...]
    media: Media | None
    charset: str


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A body free of its codings, the codings in the order they were applied, and its document."""

    plain: bytes
    codings: tuple[str, ...]
    document: Document


_LABEL_SIZES = frozenset({len(b"content-type"), len(b"content-encoding")})
_SNIFFED = frozenset({Media.TEXT})


@lru_cache(maxsize=1024)
def _label(fields: HeaderPairs, most_codings: int) -> Label:
    codings = codings_of(fields, most_codings)
    if content_type_of(fields) is None:
        return Label(fields, codings, None, "")
    media, charset = media_and_charset(fields, b"")
    return Label(fields, codings, None if media in _SNIFFED else media, charset)


def label_of(headers: HeaderPairs, limits: Limits) -> Label:
    """What a message's fields say of its body. Raises Unreadable as `decode_body` and `open_document`."""
    return _label(tuple([pair for pair in headers if len(pair[0]) in _LABEL_SIZES]), limits.content_codings)


def open_body(label: Label, body: bytes, limits: Limits, *, collapse_duplicates: bool = False) -> Opened:
    """Undo the content codings of a message's body and open what is inside.

    Raises:
        Unreadable: as `decode_body` and `open_document`.
    """
    fields = label.fields
    plain = body if not label.codings and len(body) <= limits.decoded_body else decode_body(fields, body, limits)[0]
    if label.media is Media.JSON and plain:
        document: Document = open_json(plain, limits, collapse_duplicates=collapse_duplicates)
    else:
        document = open_document(fields, plain, limits, collapse_duplicates=collapse_duplicates)
    return Opened(plain, label.codings, document)


def open_document(headers: HeaderPairs, body: bytes, limits: Limits, *, collapse_duplicates: bool = False) -> Document:
    """Open a body that is already free of content codings. An empty body holds no values at all.

    With `collapse_duplicates` an object with a name twice is read as its last value says, and only
    that value is left in what `edit` returns.

    Raises:
        Unreadable: with the posture that says what cannot be read without doubt.
    """
    if not body:
        return open_text(body)
    media, charset = media_and_charset(headers, body)
    match media:
        case Media.JSON:
            return open_json(body, limits, collapse_duplicates=collapse_duplicates)
        case Media.NDJSON:
            return open_ndjson(body, limits, collapse_duplicates=collapse_duplicates)
        case Media.FORM:
            return open_form(body, limits, charset=charset)
        case Media.MULTIPART:
            return open_multipart(headers, body, limits)
        case Media.TEXT:
            return open_text(body, charset=charset)
