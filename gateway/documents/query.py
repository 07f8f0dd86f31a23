"""The query of a request target, without its `?` (RFC 3986 section 3.4, read as a form is)."""

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.pairs import Pairs
from gateway.model.address import Place

_PLACES = frozenset({Place.QUERY})


def read_query(raw: bytes, name: str) -> list[str]:
    """The decoded value of every pair of that name.

    Raises:
        Unreadable: UNPARSABLE_BODY for a broken percent escape or a name hidden behind `;`,
            UNDECODABLE_CHARSET for what is not UTF-8.
    """
    return Pairs(raw).read(name) if raw else []


def edit_query(raw: bytes, edit: PartEdit) -> Edited:
    """Carry out the edit on every pair; pairs that do not change keep their exact bytes.

    Raises:
        Unreadable: as `read_query`.
    """
    if not raw:
        return Edited(raw, (0,) * edit.size)
    return Pairs(raw).edit(edit, _PLACES)
