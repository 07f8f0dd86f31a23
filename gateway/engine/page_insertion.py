"""What a page is asked with, and how it leads to the person's choices: put before the end of the page.

All of it is one style sheet and a frame, or a link, from the path of the person's pages, so that an application's
own strict Content-Security-Policy lets it through: nothing is inline.
"""

from html import escape
from urllib.parse import quote

from gateway.model.message import RequestHead, header_values
from gateway.policy.texts import Text

TITLE = Text((("en", "Privacy choices"), ("de", "Datenschutz-Einstellungen"), ("zh", "隐私选项")))
_DOCUMENTS = frozenset((b"document", b""))


class Insertion:
    """`prefix` is the path of the person's pages; a `banner` asks for a missing answer, a `link` is always there."""

    def __init__(self, prefix: str, *, banner: bool, link: bool) -> None:
        self._prefix = prefix
        self._banner = banner
        self._link = link

    def text(self, path: str, language: str) -> bytes:
        """The HTML for a page at `path` in a language (a tag in lower case, or empty), in ASCII."""
        title = escape(TITLE.within(language.partition("-")[0])[0])
        back = quote(path, safe="")
        # A landmark of its own: who goes through a page by its parts finds it, and passes it by.
        parts = [
            f'<link rel="stylesheet" href="{escape(self._prefix)}/embed.css">',
            f'<aside class="privacy-gateway" aria-label="{title}">',
        ]
        if self._banner:
            source = f"{self._prefix}/banner?back={back}"
            parts.append(f'<iframe class="privacy-gateway-banner" src="{escape(source)}" title="{title}"></iframe>')
        if self._link:
            parts.append(f'<a class="privacy-gateway-link" href="{escape(self._prefix)}">{title}</a>')
        return "".join((*parts, "</aside>")).encode("ascii", "xmlcharrefreplace")


def insertion_of(prefix: str, *, banner: bool, link: bool) -> Insertion | None:
    """None where there is nothing to put into a page, or nowhere that it could lead to."""
    return Insertion(prefix, banner=banner, link=link) if prefix and (banner or link) else None


def wants_document(head: RequestHead) -> bool:
    """Whether the answer is to be seen as a page of its own, not in a frame or by a script (Fetch Metadata)."""
    return set(header_values(head.headers, b"sec-fetch-dest")) <= _DOCUMENTS
