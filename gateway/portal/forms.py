"""What a form of the pages sends back. Pure; nothing of it is believed before `csrf` and `notices` looked at it."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec

from gateway.portal.choices import Selection
from gateway.stores.event import ANY_RECIPIENT

ACCEPT_ALL, REFUSE_ALL, SAVE = "accept_all", "refuse_all", "save"
BANNER = "banner"
_MOST_FIELDS = 2000
_FORM = b"application/x-www-form-urlencoded"


class FormUnreadable(ValueError):  # noqa: N818 - the word of the glossary
    """The body is no form of ours."""


class Form(msgspec.Struct, frozen=True):
    """`selection` are the answers given one by one; `back` is where to go afterwards, if not to the overview."""

    token: str = ""
    notice: str = ""
    language: str = ""
    via: str = ""
    do: str = ""
    back: str = ""
    selection: Selection = {}


def read_form(media_type: bytes, body: bytes) -> Form:
    """Read the body of a form.

    Raises:
        FormUnreadable: it is of another type, no UTF-8, too long a list, answers one question twice, or was
            sent by a button that there is not.
    """
    if media_type.partition(b";")[0].strip().lower() != _FORM:
        raise FormUnreadable("not a form")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise FormUnreadable("not readable") from None
    single = [(name, value) for name, value in pairs if name != "was"]
    fields = dict(single)
    if len(fields) != len(single):
        raise FormUnreadable("one field twice")
    if fields.get("do", SAVE) not in (ACCEPT_ALL, REFUSE_ALL, SAVE):
        raise FormUnreadable("a button that there is not")
    return Form(
        token=fields.get("token", ""),
        notice=fields.get("notice", ""),
        language=fields.get("lang", ""),
        via=fields.get("via", ""),
        do=fields.get("do", SAVE),
        back=safe_path(fields.get("back", "")),
        selection=dict(_selected(fields, {value for name, value in pairs if name == "was"})),
    )


def _selected(fields: dict[str, str], ticked_before: set[str]) -> Iterator[tuple[tuple[str, str], bool]]:
    """Answers; a box that is ticked says no, and one that was ticked when it was shown, and is not, says yes."""
    for name, value in fields.items():
        kind, *rest = name.split(":")
        if kind == "choice" and len(rest) == 2 and value in ("yes", "no"):
            yield (rest[0], rest[1]), value == "yes"
    for name in {*ticked_before, *fields}:
        kind, *rest = name.split(":")
        if kind in ("except", "object") and len(rest) in (1, 2):
            yield (rest[0], rest[1] if len(rest) == 2 else ANY_RECIPIENT), name not in fields


def safe_path(text: str) -> str:
    """The text if it is a path on this very host, else nothing: neither another site nor a header can be made of it."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    path = text.partition("?")[0].partition("#")[0]
    # Two slashes are a host to whoever leaves out the `.` or `..` before them.
    return text if plain and path.startswith("/") and "//" not in path else ""
