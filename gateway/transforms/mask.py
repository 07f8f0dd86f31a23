"""Masking: letters and digits become one character; separators, length and a few ends stay."""

from gateway.model.action import Mask


def mask(action: Mask, text: str) -> str:
    """Replace every letter and digit but the first `keep_first` and last `keep_last` of them.

    Where that would keep all of them, none is kept: a short value must not pass in the clear. The
    length in characters stays; combining marks, which no reader counts as letters, are masked too.

    >>> mask(Mask(keep_last=4), "+49 151 2345-6789")
    '+** *** ****-6789'
    """
    places = [place for place, character in enumerate(text) if character.isalnum()]
    kept: set[int] = set()
    if len(places) > action.keep_first + action.keep_last:
        kept.update(places[: action.keep_first])
        kept.update(places[len(places) - action.keep_last :])
    return "".join(
        action.character if place not in kept and _hides(character) else character
        for place, character in enumerate(text)
    )


def _hides(character: str) -> bool:
    # Above ASCII only spaces count as separators: marks, signs and emoji can tell who it is.
    return character.isalnum() if character.isascii() else not character.isspace()
