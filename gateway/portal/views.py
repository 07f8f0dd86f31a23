"""From templates to answers: every page has the same frame, the same security fields, and one style sheet of ours."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from gateway.model.message import HeaderPairs
from gateway.portal.notices import controller_of
from gateway.portal.templating import TEMPLATES
from gateway.portal.texts import NAMES, machine_time
from gateway.portal.visits import Visit
from gateway.runtime.own_pages import OwnAnswer
from gateway.runtime.settings_portal import PortalSettings

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {}"
)
_FIXED: HeaderPairs = (
    (b"X-Content-Type-Options", b"nosniff"),
    # Under `no-referrer` browsers would send `Origin: null` with our own forms (Fetch, section 3.2).
    (b"Referrer-Policy", b"same-origin"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-store"),
)
_PAGE = (
    *_FIXED,
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Security-Policy", _POLICY.format("'none'").encode()),
)
_FRAMED = (
    *_FIXED,
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Security-Policy", _POLICY.format("'self'").encode()),
)
_JSON = (*_FIXED, (b"Content-Type", b"application/json"))
_PROBLEM = (*_FIXED, (b"Content-Type", b"application/problem+json"))
_LASTING = ((b"X-Content-Type-Options", b"nosniff"), (b"Cache-Control", b"public, max-age=86400"))
_LOGO_TYPES = {".svg": b"image/svg+xml", ".png": b"image/png"}
_FONTS = {
    "sans": "Inter, 'Segoe UI', 'Helvetica Neue', 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', sans-serif",
    "serif": "'Source Serif 4', 'Iowan Old Style', Palatino, 'Noto Serif', 'Songti SC', SimSun, serif",
    "system": "system-ui, sans-serif",
}
_NAV = ("overview", "history", "disclosures", "receipt")
_NAV_PATHS = {"overview": "", "history": "/history", "disclosures": "/disclosures", "receipt": "/receipt"}


class Views:
    """Renders for one deployment. Raises OSError where the logo cannot be read."""

    def __init__(self, settings: PortalSettings, *, navigation: Sequence[str] = _NAV) -> None:
        self._settings = settings
        self._navigation = tuple(navigation)
        theme = settings.theme
        variables = f"--accent-light: {theme.accent}; --accent-dark: {theme.accent_dark}; --font: {_FONTS[theme.font]};"
        parts = [
            files("gateway.portal").joinpath("templates", name).read_text("utf-8")
            for name in ("style.css", "access.css")
        ]
        self._style = f":root {{ {variables} }}\n{''.join(parts)}".encode()
        self._style_name = "/style.css?" + hashlib.sha256(self._style).hexdigest()[:12]
        self._logo: OwnAnswer | None = None
        self._logo_name = ""
        if theme.logo is not None:
            content = Path(theme.logo).read_bytes()
            kind = _LOGO_TYPES[Path(theme.logo).suffix.lower()]
            # A picture is no page: opened by itself, an SVG may run and load nothing.
            sandbox = (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox")
            self._logo = OwnAnswer(200, (*_LASTING, (b"Content-Type", kind), sandbox), content)
            self._logo_name = "/logo?" + hashlib.sha256(content).hexdigest()[:12]

    @property
    def style(self) -> OwnAnswer:
        return OwnAnswer(200, (*_LASTING, (b"Content-Type", b"text/css; charset=utf-8")), self._style)

    @property
    def embed(self) -> OwnAnswer:
        """The style of what the gateway puts into the application's pages; its name is always the same."""
        style = files("gateway.portal").joinpath("templates", "embed.css").read_bytes()
        return OwnAnswer(200, (*_LASTING, (b"Content-Type", b"text/css; charset=utf-8")), style)

    @property
    def logo(self) -> OwnAnswer | None:
        """The operator's picture; None where the theme has none."""
        return self._logo

    def page(
        self, visit: Visit, template: str, title: str, *, status: int = 200, framed: bool = False, **context: Any
    ) -> OwnAnswer:
        """A whole page. `framed` pages may stand in a frame of this very host."""
        content = TEMPLATES.get_template(template).render(
            visit=visit,
            say=visit.words,
            title=title,
            machine_time=machine_time,
            controller=controller_of(visit.policy),
            style=self._settings.prefix + self._style_name,
            logo=self._settings.prefix + self._logo_name if self._logo_name else "",
            navigation=[(name, visit.link(_NAV_PATHS[name])) for name in self._navigation],
            languages=[(tag, NAMES[tag], visit.in_language(tag)) for tag in self._settings.languages],
            **context,
        )
        language = (b"Content-Language", visit.words.language.encode())
        vary = (b"Vary", b"Accept-Language, Cookie, Sec-GPC")
        fields = (*(_FRAMED if framed else _PAGE), language, vary, *_cookies(visit))
        return OwnAnswer(status, fields, content.encode())

    def message(self, visit: Visit, name: str, status: int, *extra: tuple[bytes, bytes]) -> OwnAnswer:
        """A page that says in words what did not work; `name` is that of the text."""
        heading = visit.words.titled("error", name)
        answer = self.page(visit, "message.html", heading, status=status, text=visit.words(f"error.{name}"), current="")
        return OwnAnswer(answer.status, (*answer.headers, *extra), answer.body)


def see_other(visit: Visit, place: str) -> OwnAnswer:
    """Go on with a GET there, so that nothing is sent twice (RFC 9110, section 15.4.4)."""
    return OwnAnswer(303, (*_FIXED, (b"Location", place.encode("ascii")), *_cookies(visit)))


def json_answer(visit: Visit, content: object, *, status: int = 200) -> OwnAnswer:
    return OwnAnswer(status, (*_JSON, *_cookies(visit)), msgspec.json.encode(content))


def file_answer(visit: Visit, content: bytes, media_type: bytes, name: str) -> OwnAnswer:
    """A file that browsers keep and do not show."""
    fields = (
        (b"Content-Type", media_type),
        (b"Content-Disposition", f'attachment; filename="{name}"'.encode("ascii")),
        (b"Content-Security-Policy", b"default-src 'none'; sandbox"),
    )
    return OwnAnswer(200, (*_FIXED, *fields, *_cookies(visit)), content)


def problem(
    code: str, status: int, detail: str, *extra: tuple[bytes, bytes], more: Mapping[str, object] | None = None
) -> OwnAnswer:
    """An RFC 9457 problem document, for programs."""
    content = {"code": code, "status": status, "detail": detail} | dict(more or {})
    return OwnAnswer(status, (*_PROBLEM, *extra), msgspec.json.encode(content))


def _cookies(visit: Visit) -> HeaderPairs:
    return tuple((b"Set-Cookie", value) for value in visit.cookies)
