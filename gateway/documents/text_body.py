"""Plain text: one value, the whole, addressed by `$`."""

from gateway.documents.edit import Edited, Empty, PartEdit, Remove, Replace, Retain
from gateway.documents.media import Media
from gateway.model.address import Address, Place
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest


class TextDocument:
    """One opened text; make it with `open_text`. An empty one holds no value."""

    __slots__ = ("_body", "_charset", "_text")

    media = Media.TEXT

    def __init__(self, body: bytes, text: str, charset: str) -> None:
        self._body = body
        self._text = text
        self._charset = charset

    @property
    def text(self) -> str:
        return self._text

    def read(self, address: Address) -> list[str]:
        """The whole text for `$`; nothing for any other address."""
        return [self._text] if self._body and _is_whole(address) else []

    def edit(self, edit: PartEdit) -> Edited:
        """Carry out the first operation on `$`.

        Raises:
            Unreadable: UNDECODABLE_CHARSET where a transform's result has no place in the charset.
        """
        counts = [0] * edit.size
        if not self._body:
            return Edited(self._body, tuple(counts))
        for field in edit.fields:
            if not _is_whole(field.address):
                continue
            counts[field.index] = 1
            match field.operation:
                case Retain():
                    return Edited(self._body, tuple(counts))
                case Remove() | Empty():
                    return Edited(b"", tuple(counts))
                case Replace(transform):
                    return Edited(self._encoded(transform(self._text)), tuple(counts))
        if edit.rest is Rest.PASS:
            return Edited(self._body, tuple(counts))
        return Edited(b"" if edit.rest is Rest.DROP else self._body, tuple(counts), 1)

    def _encoded(self, text: str) -> bytes:
        if text == self._text:
            return self._body
        try:
            return text.encode(self._charset)
        except UnicodeEncodeError:
            raise Unreadable(Posture.UNDECODABLE_CHARSET, "the new text does not fit the charset") from None


def _is_whole(address: Address) -> bool:
    return address.place is Place.BODY and not address.steps


def open_text(body: bytes, *, charset: str = "utf-8") -> TextDocument:
    """Open a text in `charset`, which is `utf-8` or `latin-1`.

    Raises:
        Unreadable: UNDECODABLE_CHARSET where the bytes are not in that charset.
    """
    if b"\0" in body:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the text holds NUL, as text in UTF-16 does")
    try:
        return TextDocument(body, body.decode(charset), charset)
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the text is not in its charset") from None
