"""One request for a page: who asks, in which language, and with which signals."""

import time
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.engine.entity import signals_gpc
from gateway.model.identity import Identity, IdentitySource
from gateway.model.message import RequestHead, header_values
from gateway.model.words import Assurance
from gateway.policy.policy import Policy
from gateway.portal.texts import WORDS, Words, negotiated

_ASSURANCE = {
    IdentitySource.CERTIFICATE: Assurance.SUBSTANTIAL,
    IdentitySource.TOKEN: Assurance.SUBSTANTIAL,
    IdentitySource.HEADER: Assurance.LOW,
    IdentitySource.SESSION: Assurance.LOW,
    IdentitySource.VISITOR: Assurance.NONE,
}
"""How sure it is who decides. A visitor is a browser, whoever sits before it."""


class Person(msgspec.Struct, frozen=True):
    """Whose page it is: by the keyed handle, and what vouches for it."""

    handle: str
    identity: Identity

    @property
    def is_visitor(self) -> bool:
        return self.identity.source is IdentitySource.VISITOR

    @property
    def assurance(self) -> Assurance:
        return _ASSURANCE[self.identity.source]


class Visit:
    """`cookies` are values of Set-Cookie that go out with the answer, whichever it is."""

    def __init__(self, head: RequestHead, policy: Policy, prefix: str, languages: Sequence[str]) -> None:
        self.head = head
        self.policy = policy
        self.prefix = prefix
        self.now = time.time()
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        self.path = path
        self.query = _parameters(query)
        self.gpc = signals_gpc(head.headers)
        self.cookies: list[bytes] = []
        self._languages = tuple(languages)
        self._chosen = ""
        accepted = b",".join(header_values(head.headers, b"accept-language"))
        self.words: Words = WORDS[negotiated(accepted, self._languages)]
        self.speak(self.query.get("lang", ""))

    def speak(self, language: str) -> None:
        """Use the language that the person chose, if it is one of ours; links then keep it."""
        if language in self._languages:
            self._chosen = language
            self.words = WORDS[language]

    @property
    def chosen_language(self) -> str:
        """The language that the person chose; empty where the browser did."""
        return self._chosen

    def link(self, path: str = "", **parameters: str) -> str:
        """The way to a page, in the language of this one if it was chosen."""
        given = {name: value for name, value in (("lang", self._chosen), *parameters.items()) if value}
        return self.prefix + path + ("?" + urlencode(given) if given else "")

    def in_language(self, language: str) -> str:
        """The way to this very page in another language; of what follows a form, to the overview."""
        path = self.path if self.head.method in ("GET", "HEAD") else self.prefix
        return f"{path}?{urlencode({'lang': language})}"


def _parameters(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=20))
    except ValueError:
        return {}
