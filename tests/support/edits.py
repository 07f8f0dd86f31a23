"""What a test wants done to the fields of one part."""

from gateway.documents.edit import FieldEdit, Operation, PartEdit
from gateway.model.address import parse_address
from gateway.model.words import Rest


def edit_of(rest: Rest, *fields: tuple[str, Operation], place: str = "") -> PartEdit:
    """Each field is an address and what happens to it; `place` goes in front of every address."""
    edits = (FieldEdit(index, parse_address(place + text), operation) for index, (text, operation) in enumerate(fields))
    return PartEdit(tuple(edits), rest, len(fields))
