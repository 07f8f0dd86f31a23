"""What the pages about disclosures, receipt and records say: one flat file for each language, `texts/access.*.json`.

A key begins with the page or vocabulary that it belongs to: `disclosures.title`, `basis.consent`,
`class.user.contact.email`. Names in braces are filled in.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

import msgspec

LANGUAGES = ("en", "de", "zh")


def _read(language: str) -> Mapping[str, str]:
    text = files("gateway.portal").joinpath(f"texts/access.{language}.json").read_bytes()
    return MappingProxyType(msgspec.json.decode(text, type=dict[str, str]))


TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType({language: _read(language) for language in LANGUAGES})
"""Text by language and key."""


def say(language: str, key: str, **values: object) -> str:
    """The text of a key, in English where the language is none of ours."""
    return TEXTS.get(language, TEXTS["en"])[key].format(**values)


def word(language: str, kind: str, name: str) -> str:
    """The words for a name of a closed vocabulary; the name itself where there are none."""
    return TEXTS.get(language, TEXTS["en"]).get(f"{kind}.{name}", name)


def class_words(language: str, data_class: str) -> str:
    """The words for a class of data, or for the nearest one above it that has some."""
    texts = TEXTS.get(language, TEXTS["en"])
    name = data_class
    while name:
        if f"class.{name}" in texts:
            return texts[f"class.{name}"]
        name = name.rpartition(".")[0]
    return data_class
