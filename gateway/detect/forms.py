"""What a text holds that has a form of its own: e-mail, phone, card, bank account, addresses of devices, tokens.

Only forms that prove themselves (by check digits, assigned ranges, or a grammar that little else has) are known, so
that a finding is worth looking at; what has none (names of people, dates of birth) is told by the name of its field.
Each text is looked at once, from its beginning to a bound, in time that grows with its length.
"""

import base64
import binascii
import ipaddress
import re
from urllib.parse import unquote

from gateway.detect.check_digits import iban_length, is_iban, is_payment_card, is_phone

READ_AT_MOST = 8192
"""Characters of one text; what stands behind them is not looked at."""

EMAIL = "user.contact.email"
PHONE = "user.contact.phone_number"
CARD = "user.financial.credit_card"
BANK_ACCOUNT = "user.financial.bank_account"
IP_ADDRESS = "user.device.ip_address"
DEVICE = "user.device.device_id"
CREDENTIALS = "user.authorization.credentials"
PSEUDONYM = "user.unique_id.pseudonymous"

_BEFORE_AT = re.compile(r"[\w.!#$%&'*+\-^`{|}~]{1,64}\Z")
_BEHIND_AT = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w@-])")
_AT_MOST_ATS = 64
_NO_MAILBOX = frozenset({"git", "hg", "svn", "npm", "v"})
_FILE_ENDINGS = frozenset(
    [
        "avif",
        "bmp",
        "css",
        "csv",
        "gif",
        "html",
        "ico",
        "jpeg",
        "jpg",
        "js",
        "json",
        "map",
        "md",
        "mjs",
        "mp4",
        "pdf",
        "php",
        "png",
        "py",
        "svg",
        "ts",
        "tsx",
        "txt",
        "webp",
        "xml",
    ]
)
_USER_INFO = re.compile(r"//[^\s/@]{0,64}\Z")

# Every quantifier is bounded, so a text of n characters takes at most some 40 n steps.
_CARD = re.compile(
    r"(?<![\w.+-])(?:[0-9]{14,19}"
    r"|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?![\w-]|\.[0-9])"
)
_IBAN = re.compile(
    r"(?<![\w])[A-Za-z]{2}[0-9]{2}(?:[A-Za-z0-9]{11,30}|(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,3})?)(?![\w])"
)
_PHONE = re.compile(r"(?<![\w+=/])\+[1-9](?:[ ./-]?(?:\([0-9]{1,5}\)|[0-9])){7,16}(?![\w])")
_IPV4 = re.compile(r"(?<![\w./-])(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})(?![\w/-]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:./])[0-9a-fA-F]{4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:./])")
_MAC = re.compile(r"(?<![\w:-])[0-9a-fA-F]{2}(?:(?::[0-9a-fA-F]{2}){5}|(?:-[0-9a-fA-F]{2}){5})(?![\w:-])")
_JWT = re.compile(r"(?<![\w.-])(eyJ[\w-]{10,4096})\.[\w-]{2,8192}\.[\w-]{0,1024}(?![\w.-])", re.ASCII)
_PSEUDONYM = re.compile(r"(?<![\w.-])[ph]1\.[0-9]{2}q[1-4][a-z]\.[\w-]{21}[AQgw](?![\w-])", re.ASCII)
_DIGIT = re.compile(r"[0-9]")
_NOT_DIGIT = re.compile(r"[^0-9]+")


def classes_in_text(text: str) -> frozenset[str]:
    """The classes (full keys) of what has a known form anywhere in the first READ_AT_MOST characters."""
    text = text[:READ_AT_MOST]
    if "%40" in text:
        text = unquote(text)
    found = {EMAIL} if "@" in text and _holds_email(text) else set()
    # All the others have digits.
    if _DIGIT.search(text) is not None:
        found.update(data_class for data_class, holds in _NUMBERS if holds(text))
    return frozenset(found)


def is_pseudonym(text: str) -> bool:
    """Whether the whole text is a pseudonym or keyed hash as this gateway writes them."""
    return _PSEUDONYM.fullmatch(text) is not None


def _holds_email(text: str) -> bool:
    """RFC 5321 and 6531 as mailboxes are in use: no quoted part, no address literal, a domain with a top level."""
    place = -1
    for _ in range(_AT_MOST_ATS):
        place = text.find("@", place + 1)
        if place < 0:
            return False
        before = _BEFORE_AT.search(text, max(place - 64, 0), place)
        behind = _BEHIND_AT.match(text, place + 1)
        if before is None or behind is None:
            continue
        mailbox = before[0].lower()
        if mailbox in _NO_MAILBOX or mailbox[0] == "." or mailbox[-1] == "." or ".." in mailbox:
            continue
        if behind[0].rpartition(".")[2].lower() in _FILE_ENDINGS:
            continue
        # `https://key@host`: what a URL says of its user is no mailbox.
        if _USER_INFO.search(text, max(before.start() - 66, 0), before.start()) is None:
            return True
    return False


def _holds_card(text: str) -> bool:
    return any(is_payment_card(_NOT_DIGIT.sub("", match[0])) for match in _CARD.finditer(text))


def _holds_iban(text: str) -> bool:
    """The words that follow a number written in groups may look like further groups."""
    compact = (match[0].replace(" ", "") for match in _IBAN.finditer(text))
    return any(is_iban(each[: iban_length(each)]) for each in compact)


def _holds_phone(text: str) -> bool:
    return any(is_phone(_NOT_DIGIT.sub("", match[0])) for match in _PHONE.finditer(text))


def _holds_mac(text: str) -> bool:
    """Of one device: neither all zeros nor all ones."""
    return any(len(set(match[0].lower())) > 2 for match in _MAC.finditer(text))


def _holds_token(text: str) -> bool:
    return any(_is_token_head(match[1]) for match in _JWT.finditer(text))


def _holds_pseudonym(text: str) -> bool:
    return _PSEUDONYM.search(text) is not None


def _holds_ip_address(text: str) -> bool:
    """Of a host that others reach: no loopback, no group, and no network (whose last part is 0, as in versions)."""
    return any(_is_host_4(match[0]) for match in (_IPV4.finditer(text) if text.count(".") >= 3 else ())) or any(
        _is_host_6(match[0]) for match in (_IPV6.finditer(text) if text.count(":") >= 2 else ())
    )


def _is_host_4(text: str) -> bool:
    """Four small numbers are a version more often than a host."""
    first, *rest = parts = [int(part) for part in text.split(".")]
    return 10 <= max(parts) < 256 and 0 < first < 224 and first != 127 and rest[-1] != 0


def _is_host_6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    host = int(address) & (1 << 64) - 1
    return bool(host) and (address in _GLOBAL or address in _LOCAL or address.is_link_local)


_GLOBAL = ipaddress.IPv6Network("2000::/3")
_LOCAL = ipaddress.IPv6Network("fc00::/7")


def _is_token_head(encoded: str) -> bool:
    """Whether this is the head of a JSON Web Token (RFC 7519): base64url of an object that names its algorithm."""
    try:
        head = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        return False
    return head.startswith(b"{") and b'"alg"' in head


_NUMBERS = (
    (CARD, _holds_card),
    (BANK_ACCOUNT, _holds_iban),
    (PHONE, _holds_phone),
    (IP_ADDRESS, _holds_ip_address),
    (DEVICE, _holds_mac),
    (CREDENTIALS, _holds_token),
    (PSEUDONYM, _holds_pseudonym),
)
