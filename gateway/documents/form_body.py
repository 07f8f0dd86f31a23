"""URL-encoded forms: `form:NAME` (or `part:NAME`) addresses every pair of that name.

A body labelled as a form that is itself JSON or multipart is refused: what a lenient receiver would
read there is not what the rules saw.
"""

import re
from collections.abc import Iterator

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.media import Media
from gateway.documents.pairs import Pairs
from gateway.model.address import Address, Place
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

FORM_PLACES = frozenset({Place.FORM, Place.PART})

_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]0-9tfn-])")
"""Also where the rest is no good JSON: lenient receivers read that too."""


class FormDocument:
    """One opened form; make it with `open_form`."""

    __slots__ = ("_pairs",)

    media = Media.FORM

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def read(self, address: Address) -> list[str]:
        """The decoded value of every pair that the address names.

        Raises:
            Unreadable: UNDECODABLE_CHARSET, or UNPARSABLE_BODY where `;` hides the name.
        """
        return self._pairs.read(address.name) if address.place in FORM_PLACES else []

    def all(self) -> Iterator[tuple[str, str]]:
        """Every pair (see Pairs.all)."""
        return self._pairs.all()

    def edit(self, edit: PartEdit) -> Edited:
        """Carry out the edit on every pair (see Pairs.edit)."""
        return self._pairs.edit(edit, FORM_PLACES)


def open_form(body: bytes, limits: Limits, *, charset: str = "utf-8") -> FormDocument:
    """Open a form whose label says `charset`, `utf-8` or `latin-1`.

    Raises:
        Unreadable: UNPARSABLE_BODY for broken escapes or a body of another kind, UNDECODABLE_CHARSET
            for names outside the charset or a `_charset_` field, OVER_SIZE over `limits.form_fields`.
    """
    if body.count(b"&") >= limits.form_fields:
        raise Unreadable(Posture.OVER_SIZE, "the form has too many fields")
    if _JSON_START.match(body) or (body.lstrip().startswith(b"--") and b"content-disposition" in body.lower()):
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not the form that its label says")
    if b"\0" in body:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the form holds NUL, as text in UTF-16 does")
    pairs = Pairs(body, charset)
    if pairs.holds("_charset_"):
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the form names its own charset")
    return FormDocument(pairs)
