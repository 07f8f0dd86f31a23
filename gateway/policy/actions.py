"""Reads `as:` and `otherwise:`: a word, or a mapping of one word to its settings."""

from gateway.model.action import Action, Blank, Block, Drop, Generalisation, Generalise, Hash, Keep, Mask, Pseudonym
from gateway.policy import forms, route_shapes
from gateway.policy.reader import Reader
from gateway.policy.report import closest
from gateway.policy.source import Mapping, Node, Scalar

_WORDS: dict[str, Action] = {
    "keep": Keep(),
    "drop": Drop(),
    "blank": Blank(),
    "mask": Mask(),
    "hash": Hash(),
    "pseudonym": Pseudonym(),
    "block": Block(),
}


def read_action(reader: Reader, node: Node) -> Action | None:
    """One action; None, with a diagnostic, where it cannot be read."""
    if isinstance(node, Mapping):
        return _read_settings(reader, node)
    word = reader.scalar(node, "an action")
    return _read_word(reader, word) if word else None


def _read_word(reader: Reader, word: Scalar) -> Action | None:
    if word.text in _WORDS:
        return _WORDS[word.text]
    if word.text == "generalise":
        hint = "write {generalise: …} with one of: " + ", ".join(forms.GENERALISATIONS)
        reader.report.add("PG108", word, "'generalise' needs to know how", hint)
    else:
        _unknown(reader, word)
    return None


def _unknown(reader: Reader, word: Scalar) -> None:
    if word.text in forms.LATER_WORDS:
        hint = "use 'pseudonym' or 'drop'"
        reader.report.add("PG111", word, f"the action '{word.text}' is not supported in this version", hint)
    else:
        words = tuple(dict.fromkeys((*forms.SIMPLE_ACTIONS, *forms.SETTING_ACTIONS)))
        reader.report.add("PG107", word, f"'{word.text}' is not a known action", closest(word.text, words))


def _read_settings(reader: Reader, node: Mapping) -> Action | None:
    if len(node.entries) != 1:
        hint = "write the word alone, or {mask: {keep_last: 4}}"
        reader.report.add("PG108", node, "an action with settings is a mapping of exactly one key", hint)
        return None
    word, settings = node.entries[0]
    if word.text == "mask":
        return _read_mask(reader, settings)
    if word.text == "generalise":
        to = reader.word(settings, Generalisation, "generalisation")
        return Generalise(to) if to else None
    if word.text in _WORDS:
        reader.report.add("PG108", word, f"'{word.text}' has no settings", f"write only '{word.text}'")
    else:
        _unknown(reader, word)
    return None


def _read_mask(reader: Reader, node: Node) -> Mask | None:
    keys = reader.keys(node, route_shapes.MASK)
    if not isinstance(node, Mapping):
        return None
    first = reader.whole(keys["keep_first"], "'keep_first'") if "keep_first" in keys else 0
    last = reader.whole(keys["keep_last"], "'keep_last'") if "keep_last" in keys else 0
    character: str | None = "*"
    if "character" in keys:
        character = reader.matching(keys["character"], r"\A.\Z", "the character of a mask", "write one character")
    if first is None or last is None or character is None:
        return None
    return Mask(first, last, character)
