"""One way to open any body: the label chooses the reader, and every reader offers the same two verbs."""

from typing import Protocol

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.form_body import open_form
from gateway.documents.json_body import open_json
from gateway.documents.media import Media, media_and_charset
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
