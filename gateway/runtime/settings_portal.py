"""The `portal:` section of gateway.yaml: where the person's pages are, in which languages, and how they look."""

import re

import msgspec

from gateway.policy.source import Node, Sequence
from gateway.runtime.settings_nodes import SettingsNodes

PORTAL_KEYS = ("prefix", "languages", "theme", "rate")
LANGUAGES = ("en", "de", "zh")
"""The languages that the pages have."""
DEFAULT_PREFIX = "/privacy"
FONTS = ("sans", "serif", "system")
LEAST_CONTRAST = 4.5
"""Of text against its ground (WCAG 2.2, 1.4.3)."""
LIGHT_GROUND, DARK_GROUND = "#f6f7f9", "#1b1f24"
"""What the accent lies on, or what lies on the accent, in the light and in the dark scheme."""

_PREFIX = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,63}){1,4}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_MOST_PER_MINUTE = 100_000


class Theme(msgspec.Struct, frozen=True):
    """Colours are `#rrggbb`; `logo` is the path of a file, SVG or PNG, in place of the controller's name."""

    accent: str = "#0b5d63"
    accent_dark: str = "#7fd1d6"
    font: str = "sans"
    logo: str | None = None


class Rate(msgspec.Struct, frozen=True):
    """Requests a minute that are answered for one person, and for one peer."""

    person: int = 60
    peer: int = 240


class PortalSettings(msgspec.Struct, frozen=True):
    """`prefix` is the path of the pages, without a slash at its end; the first of `languages` is the default."""

    prefix: str = DEFAULT_PREFIX
    languages: tuple[str, ...] = LANGUAGES
    theme: Theme = Theme()
    rate: Rate = Rate()


class PortalReader(SettingsNodes):
    """Reads the section."""

    def portal(self, node: Node) -> PortalSettings:
        """What it says; what is wrong is noted, and a default takes its place."""
        keys = self._entries(node, PORTAL_KEYS)
        prefix = self._text(keys.get("prefix"))
        if prefix is not None and not _PREFIX.fullmatch(prefix.text):
            hint = "a path of letters, digits, '-' and '_', such as '/privacy'"
            self._add("PG914", prefix, f"'{prefix.text}' cannot be the path of the person's pages", hint)
            prefix = None
        rate = self._entries(keys.get("rate"), ("person", "peer"))
        return PortalSettings(
            prefix=prefix.text if prefix is not None else DEFAULT_PREFIX,
            languages=self._languages(keys.get("languages")),
            theme=self._theme(keys.get("theme")),
            rate=Rate(
                self._whole(rate.get("person"), Rate().person, 1, _MOST_PER_MINUTE),
                self._whole(rate.get("peer"), Rate().peer, 1, _MOST_PER_MINUTE),
            ),
        )

    def _languages(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return LANGUAGES
        items = self._items(node)
        words = tuple(dict.fromkeys(word for item in items if (word := self._word(item, LANGUAGES, ""))))
        if isinstance(node, Sequence) and not items:
            self._add("PG914", node, "the pages need a language", "one or more of: " + ", ".join(LANGUAGES))
        return words or LANGUAGES

    def _theme(self, node: Node | None) -> Theme:
        keys = self._entries(node, ("accent", "accent_dark", "font", "logo"))
        plain = Theme()
        return Theme(
            accent=self._colour(keys.get("accent"), plain.accent, LIGHT_GROUND),
            accent_dark=self._colour(keys.get("accent_dark"), plain.accent_dark, DARK_GROUND),
            font=self._word(keys.get("font"), FONTS, plain.font),
            logo=self._logo(keys.get("logo")),
        )

    def _colour(self, node: Node | None, default: str, ground: str) -> str:
        scalar = self._text(node)
        if scalar is None:
            return default
        colour = scalar.text.lower()
        if not _COLOUR.fullmatch(colour):
            self._add("PG914", scalar, f"'{scalar.text}' is not a colour", "write '#rrggbb', in quotes")
            return default
        found = contrast(colour, ground)
        if found < LEAST_CONTRAST:
            hint = f"on {ground} it needs {LEAST_CONTRAST}:1 to be read by everybody (WCAG 2.2, 1.4.3)"
            self._add("PG950", scalar, f"the contrast of '{scalar.text}' is only {found:.1f}:1", hint)
        return colour

    def _logo(self, node: Node | None) -> str | None:
        path = self._file(node)
        if path is not None and node is not None and not path.lower().endswith((".svg", ".png")):
            self._add("PG914", node, "a logo is a file that ends in .svg or .png")
            return None
        return path


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, from 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
