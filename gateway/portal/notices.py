"""The notice as it is shown: the same bytes for everybody under one policy, so that its digest says what was read.

It has two layers. `FULL` stands on the overview, with all details on demand; `SHORT` in the banner, which
leads there. A decision cites the digest of the layer that the person had before them.
"""

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from gateway.policy.policy import Policy, Purpose, Recipient
from gateway.policy.schema import CONTROLLER
from gateway.policy.uses import uses_of
from gateway.portal.access_texts import class_words, word
from gateway.portal.templating import TEMPLATES
from gateway.portal.texts import WORDS, Words
from gateway.runtime.kept_notices import KeptNotices

NAME = "privacy"
"""What events call the notice of these pages."""
FULL, SHORT = "full", "short"


class Notice(msgspec.Struct, frozen=True):
    """One layer in one language under one policy. `html` are the bytes of which `digest` is the SHA-256."""

    version: str
    digest: str
    language: str
    layer: str
    html: Markup


class Notices:
    """The notices of one worker; each is rendered once for a policy, and kept."""

    def __init__(self, kept: KeptNotices, languages: Sequence[str], place: str) -> None:
        """`place` is the path where people can change their minds."""
        self.kept = kept
        self._languages = tuple(languages)
        self._place = place
        self._policy = ""
        self._rendered: dict[tuple[str, str], Notice] = {}

    async def shown(self, policy: Policy, language: str, layer: str) -> Notice:
        """The notice as it is to be shown now. Raises StoreDown, as `KeptNotices.keep`."""
        if policy.digest != self._policy:
            self._policy, self._rendered = policy.digest, {}
        found = self._rendered.get((language, layer))
        if found is None:
            html = render_notice(policy, WORDS[language], layer, self._place)
            digest = await self.kept.keep(html.encode())
            found = Notice(version_of(policy), digest, language, layer, html)
            if policy.digest == self._policy:
                self._rendered[language, layer] = found
        return found

    async def cited(self, policy: Policy, digest: str) -> Notice | None:
        """The present notice of this digest, in whichever language and layer; None where it is another one.

        Raises StoreDown, as `KeptNotices.keep`.
        """
        for language in self._languages:
            for layer in (FULL, SHORT):
                notice = await self.shown(policy, language, layer)
                if notice.digest == digest:
                    return notice
        return None


def version_of(policy: Policy) -> str:
    """How the rules name the state of the notice; without a name, the digest of the rules."""
    return policy.notice.version if policy.notice is not None and policy.notice.version else policy.digest


def render_notice(policy: Policy, words: Words, layer: str, place: str) -> Markup:
    """The notice in HTML. The same rules give the same bytes."""
    notice = policy.notice
    text, tag = notice.text.within(words.language) if notice is not None else ("", "")
    paragraphs = [part for part in (part.strip() for part in text.replace("\r\n", "\n").split("\n\n")) if part]
    uses = uses_of(policy)
    return Markup(  # noqa: S704 - a template of ours that escapes what it is given
        TEMPLATES.get_template(f"notice_{layer}.html").render(
            say=words,
            controller=controller_of(policy),
            paragraphs=paragraphs,
            tag=tag if paragraphs and tag != words.language else "",
            valid=words.period(notice.valid) if notice is not None and notice.valid is not None else "",
            version=version_of(policy),
            place=place,
            asked=[_purpose(each, words) for each in policy.purposes.values() if each.basis.needs_consent],
            purposes=[
                _purpose(each, words)
                | {
                    "uses": [
                        (_recipient(use.recipient, words), _classes(use.classes, words)) for use in uses[each.name]
                    ]
                }
                for each in policy.purposes.values()
            ],
        )
    )


def controller_of(policy: Policy) -> dict[str, str]:
    """All that the rules could say of the controller; empty where they do not."""
    return {key.name: policy.controller.get(key.name, "") for key in CONTROLLER.keys}


def title_of(purpose: Purpose, words: Words) -> tuple[str, str]:
    """The purpose in words that a person understands, and their language where it is not that of the page."""
    if not purpose.title:
        return words.named("purpose", purpose.name), ""
    text, tag = purpose.title.within(words.language)
    return text, foreign(tag, words)


def name_of(recipient: Recipient, words: Words) -> str:
    """The recipient's name as people are shown it."""
    return recipient.title.within(words.language)[0] or recipient.name


def foreign(tag: str, words: Words) -> str:
    """The language of a text, where it is known to be another than that of the page."""
    return "" if tag.partition("-")[0] == words.language else tag


def _purpose(purpose: Purpose, words: Words) -> dict[str, object]:
    title, tag = title_of(purpose, words)
    description, described_in = purpose.description.within(words.language)
    return {
        "title": title,
        "tag": tag,
        "description": description,
        "described_in": foreign(described_in, words),
        "basis": word(words.language, "basis", purpose.basis),
        "sale": purpose.sale_or_share,
    }


def _recipient(recipient: Recipient, words: Words) -> dict[str, object]:
    return {
        "name": name_of(recipient, words),
        "role": word(words.language, "role", recipient.role),
        "country": recipient.country or "",
        "contact": recipient.contact,
    }


def _classes(classes: Sequence[str], words: Words) -> str:
    return words.listed(list(dict.fromkeys(class_words(words.language, name) for name in classes)))
