"""The keys of the rule language in one table: the reader, the JSON Schema and the manual all use it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.model.action import LATER_ACTIONS, Generalisation
from gateway.model.words import Basis, ConsentScope, Direction, Mode, PageMode, Part, Posture, Rest, Role, UnknownHosts
from gateway.policy.policy import REFERRER_POLICIES


class Key(msgspec.Struct, frozen=True):
    """`value` is the JSON Schema of the value; `later` marks a key whose place is only kept."""

    name: str
    value: Mapping[str, Any]
    description: str
    required: bool = False
    later: bool = False


class Shape(msgspec.Struct, frozen=True):
    """A mapping with fixed keys. `noun` is what diagnostics call it."""

    name: str
    noun: str
    keys: tuple[Key, ...]


SIMPLE_ACTIONS = ("keep", "drop", "blank", "mask", "hash", "pseudonym", "block")
"""Actions that can be written as one word."""

SETTING_ACTIONS = ("mask", "generalise")
"""Actions that can be written as a mapping of one key."""

SUBJECT_WORDS = ("identity",)
"""What a route can say in place of an address: the person is whom a verified source names."""

SAME_SITE = ("lax", "strict")
STREAMS = ("websocket", "event_stream", "items")
RECORDS = ("known", "always")

POSTURE_CHOICES: Mapping[Posture, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(Posture, ("block",))
    | {
        Posture.UNPARSABLE_BODY: ("block", "drop"),
        Posture.UNKNOWN_MEDIA_TYPE: ("block", "drop"),
        Posture.UNKNOWN_CONTENT_CODING: ("block", "drop"),
        Posture.UNDECODABLE_CHARSET: ("block", "drop"),
        Posture.DUPLICATE_KEY: ("block", "collapse"),
        Posture.UNRESOLVED_SUBJECT: ("block", "drop"),
        Posture.AUDIT_UNAVAILABLE: ("block", "strip"),
    }
)
"""What a rule file may choose for each posture; the first choice is the default, `pass` is never one."""

CLIENT_HINTS = ("drop", "keep")
FEATURE = r"^[a-z][a-z0-9-]*$"
"""The name of a feature in a Permissions-Policy."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
PURPOSE_NAME = r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$"
UPSTREAM = r"^https?://[^/?#@\s]+/?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
COOKIE_NAME = r"^[!#$%&'+\-.^_`|~0-9A-Za-z]+\*?$"
LIFETIME = r"^[1-9][0-9]{0,5}(s|min|h|d)$"
SIZE = r"^[1-9][0-9]*(B|KiB|MiB|GiB)?$"

LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
"""A language tag (RFC 5646) as keys of texts are written."""
PERIOD = r"^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?$"
"""A duration of ISO 8601 in whole years, months, weeks and days."""

DNT_WORDS = ("ignore", "objection")
TCF_PURPOSES = (1, 11)
TCF_VENDORS = (1, 65535)

_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}
VENDOR: Mapping[str, Any] = {"type": "integer", "minimum": TCF_VENDORS[0], "maximum": TCF_VENDORS[1]}
TCF_PURPOSE: Mapping[str, Any] = {"type": "integer", "minimum": TCF_PURPOSES[0], "maximum": TCF_PURPOSES[1]}


def _words(words: "tuple[str, ...] | list[str]") -> Mapping[str, Any]:
    return {"enum": list(words)}


def _some(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}


def _ref(name: str) -> Mapping[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _named(pattern: str, name: str) -> Mapping[str, Any]:
    return {"type": "object", "patternProperties": {pattern: _ref(name)}, "additionalProperties": False}


FILE = Shape(
    "file",
    "a rule file",
    (
        Key("version", {"const": 1}, "Version of the rule language; every file says it.", required=True),
        Key("controller", _ref("controller"), "Who is responsible for the processing; in one file only."),
        Key("purposes", _named(PURPOSE_NAME, "purpose"), "Why data is processed, by name."),
        Key("recipients", _named(NAME, "recipient"), "Who receives data, by name."),
        Key("routes", {"type": "array", "items": _ref("route")}, "Which messages the rules are about."),
        Key("postures", _ref("postures"), "What happens where a message cannot be read; for all routes."),
        Key("cookies", _named(COOKIE_NAME, "cookie"), "Cookies of all routes, by name or `NAME*`."),
        Key("signals", _ref("signals"), "Which signals of browsers count, and how; in one file only."),
        Key("notice", _ref("notice"), "What people are told before they decide; in one file only."),
    ),
)
CONTROLLER = Shape(
    "controller",
    "the controller",
    (
        Key("name", _TEXT, "Name of the organisation.", required=True),
        Key("contact", _TEXT, "Where a person can turn to; shown in refusals."),
        Key("jurisdiction", _TEXT, "Law that applies, such as `EU`, `UK`, `CN` or `US-CA`."),
        Key("representative", _TEXT, "Name of the representative or data protection officer."),
        Key("address", _TEXT, "Postal address."),
        Key("privacy_policy", _TEXT, "Address of the published privacy policy."),
    ),
)
SIGNALS = Shape(
    "signals",
    "'signals'",
    (
        Key("gpc", _ref("gpc"), "What `/.well-known/gpc.json` says besides that the signal is obeyed."),
        Key("dnt", _words(DNT_WORDS), "What `DNT: 1` means: nothing (`ignore`, default), or an objection."),
        Key("tcf", _ref("tcf"), "Where strings of the Transparency & Consent Framework are read."),
        Key("gpp", _ref("gpp"), "Where strings of the Global Privacy Platform are read."),
    ),
)
GPC = Shape(
    "gpc",
    "'gpc'",
    (
        Key(
            "last_update",
            {"type": "string", "pattern": DATE},
            "Day on which the statement about Global Privacy Control was last changed (YYYY-MM-DD).",
            required=True,
        ),
    ),
)
TCF = Shape(
    "tcf",
    "'tcf'",
    (
        Key("cookie", _TEXT, "Name of the cookie, mostly `euconsent-v2`."),
        Key("query", _TEXT, "Name of the query parameter, mostly `gdpr_consent`."),
        Key("vendor", VENDOR, "Vendor id that counts for recipients without a `tcf_vendor`."),
    ),
)
GPP = Shape(
    "gpp",
    "'gpp'",
    (
        Key("cookie", _TEXT, "Name of the cookie."),
        Key("query", _TEXT, "Name of the query parameter, mostly `gpp`."),
    ),
)
NOTICE = Shape(
    "notice",
    "'notice'",
    (
        Key("version", {"type": "string", "pattern": NAME}, "How this state of the notice is cited.", required=True),
        Key("valid", {"type": "string", "pattern": PERIOD}, "How long consent holds, such as `P6M` (default: no end)."),
        Key("text", _ref("text"), "What stands above the choices, the essence in the first paragraph."),
    ),
)
PURPOSE = Shape(
    "purpose",
    "a purpose",
    (
        Key("basis", _words(list(Basis)), "Why the processing is lawful.", required=True),
        Key("title", _ref("text"), "The purpose in the words that a person is asked with."),
        Key("sale_or_share", {"type": "boolean"}, "Whether Global Privacy Control opts out of it (default: false)."),
        Key(
            "consent_scope",
            _words(list(ConsentScope)),
            "`any` (default), or `recipient`: only consent for the very recipient counts.",
        ),
        Key("description", _ref("text"), "What is done for the purpose, and what it means for the person."),
        Key("tcf", _some(TCF_PURPOSE), "Purposes of the TCF (1 to 11) that a TC string has to hold consent for."),
    ),
)
RECIPIENT = Shape(
    "recipient",
    "a recipient",
    (
        Key("role", _words(list(Role)), "What the recipient is to the controller.", required=True),
        Key("upstream", {"type": "string", "pattern": UPSTREAM}, "URL of its service: scheme, host, port."),
        Key("hosts", _some(_TEXT), "Hosts under which the recipient is reached."),
        Key(
            "country", {"type": "string", "pattern": "^[A-Z]{2}$"}, "Country of the recipient, ISO 3166 (two letters)."
        ),
        Key("contract", _ref("contract"), "The agreement on which data goes to the recipient."),
        Key(
            "embedded_for",
            _some(_TEXT),
            "Purpose, or purposes, for which pages embed something of its `hosts`; all of them have to be allowed.",
        ),
        Key(
            "may_receive",
            {"type": "object", "propertyNames": _ref("class"), "additionalProperties": _some(_TEXT)},
            "Classes that it may receive, each with the purposes; a class stands for all below it. Left out: any.",
        ),
        Key("title", _ref("text"), "The recipient's name as people are shown it."),
        Key("contact", _TEXT, "Where a person can turn to about what it received."),
        Key("tcf_vendor", VENDOR, "Its id in the Global Vendor List, which a TC string has to hold consent for."),
    ),
)
CONTRACT = Shape(
    "contract",
    "a contract",
    (
        Key("ref", _TEXT, "How the contract is filed.", required=True),
        Key("expires", {"type": "string", "pattern": DATE}, "Last day on which it is in force (YYYY-MM-DD)."),
    ),
)
ROUTE = Shape(
    "route",
    "a route",
    (
        Key("name", {"type": "string", "pattern": NAME}, "Name in records and metrics; used once.", required=True),
        Key("match", _ref("match"), "Which requests the route is for.", required=True),
        Key("to", _TEXT, "The recipient of the requests; it needs an upstream.", required=True),
        Key("caller", _TEXT, "The recipient of the responses (default: `caller`, which need not be declared)."),
        Key(
            "subject",
            {"anyOf": [_words(SUBJECT_WORDS), _ref("subject")]},
            "Who the data is about: an address, or `identity`, whom a verified source names.",
        ),
        Key("mode", _words(list(Mode)), "`enforce` (default), or `observe`: record only and change nothing."),
        Key("request", _ref("section"), "Rules for requests (left out: everything that is not plumbing is dropped)."),
        Key("response", _ref("section"), "Rules for responses; has to be there on an enforced route."),
        Key("postures", _ref("postures"), "What happens where a message of this route cannot be read."),
        Key(
            "stream",
            _some(_words(STREAMS)),
            "What may flow: unread, or edited item by item (`items`).",
        ),
        Key("record", _words(RECORDS), "`known` (default): messages with known data; `always`: every message."),
        Key("body_limit", _ref("size"), "Largest body that is read on this route."),
        Key("signs_in", _ref("sign_in"), "Which answers tie the application's session to a person."),
        Key(
            "signs_out", {"type": "boolean"}, "Whether requests end the tie of a session to a person (default: false)."
        ),
    ),
)
SIGNS_IN = Shape(
    "sign_in",
    "a sign-in",
    (
        Key(
            "status",
            _some({"type": "integer", "minimum": 200, "maximum": 399}),
            "Statuses of answers to a successful sign-in, and of no others.",
            required=True,
        ),
        Key(
            "location",
            _some({"type": "string", "pattern": "^/"}),
            "Paths, one of which the `Location` of a redirection has to name (default: any).",
        ),
        Key("person", _ref("address"), "Address, in the answer, of who signed in (default: the route's subject)."),
    ),
)
MATCH = Shape(
    "match",
    "a match",
    (
        Key("host", _some(_TEXT), "Host, `*.host`, or a list (default: any)."),
        Key("method", _some({"type": "string", "pattern": "^[A-Z][A-Z-]*$"}), "Method or list (default: any)."),
        Key("path", {"type": "string", "pattern": "^/"}, "Path pattern.", required=True),
    ),
)
SUBJECT = Shape(
    "subject",
    "a subject",
    (
        Key(
            "field",
            _ref("address"),
            "Address, in the request (with `each`: in the item), of what identifies the person.",
            required=True,
        ),
        Key("each", _ref("address"), "The elements of an array, each about a person of its own: `$.items[*]`."),
        Key("in", _words(list(reversed(Direction))), "Where that array is: in the `response` (default) or `request`."),
    ),
)
SECTION = Shape(
    "section",
    "a section",
    (
        Key("fields", {"type": "object", "additionalProperties": _ref("field")}, "Listed fields by address."),
        Key("rest", _ref("rest"), "What becomes of values that are not listed (default: drop)."),
        Key("detect", {}, "Detectors for what no address names.", later=True),
        Key("pages", _ref("pages"), "What becomes of third parties in HTML pages (responses only)."),
    ),
)
PAGES = Shape(
    "pages",
    "'pages'",
    (
        Key("mode", _words(list(PageMode)), "`enforce` (default), or `report`: only list the hosts that pages name."),
        Key(
            "unknown",
            _words(list(UnknownHosts)),
            "Hosts of no recipient: `hold` (default), `pass`, or `report`: let through, and on record.",
        ),
        Key("banner", {"type": "boolean"}, "Ask for consent in the page while an answer is missing (default: true)."),
        Key("link", {"type": "boolean"}, "A small link to the person's choices in every page (default: false)."),
        Key("placeholder", _ref("text"), "What a frame shows that is held back; `{host}` stands for its host."),
        Key("csp", {"type": "boolean"}, "A second Content-Security-Policy that only narrows (default: true)."),
        Key(
            "referrer_policy",
            _words(REFERRER_POLICIES),
            "Strictest of this and the application's own (default: `strict-origin-when-cross-origin`).",
        ),
        Key(
            "permissions_policy",
            {"type": "array", "items": {"type": "string", "pattern": FEATURE}},
            "Features of browsers that no page may use (default: those for advertising).",
        ),
        Key("client_hints", _words(CLIENT_HINTS), "`drop` (default) what tells browsers apart, or `keep`."),
    ),
)
REST = Shape("rest", "'rest'", tuple(Key(part, _words(list(Rest)), f"The rest of the {part}.") for part in Part))
FIELD = Shape(
    "field",
    "a field",
    (
        Key("is", _ref("class"), "Class of the data; a leading `user.` may be left out.", required=True),
        Key("for", _TEXT, "The purpose that it passes for.", required=True),
        Key("as", _ref("action"), "What is done where the purpose allows it (default: keep)."),
        Key("otherwise", _ref("action"), "What is done where it does not (default: block)."),
    ),
)
COOKIE = Shape(
    "cookie",
    "a cookie",
    (
        *FIELD.keys[:3],
        Key("otherwise", _ref("action"), "What is done where it does not (default: drop)."),
        Key(
            "max_age",
            {"type": "string", "pattern": LIFETIME},
            "Longest lifetime: a number with `s`, `min`, `h` or `d`.",
        ),
        Key("secure", {"const": True}, "Adds `Secure` where the application left it out; for sites with TLS only."),
        Key(
            "http_only",
            {"const": True},
            "Adds `HttpOnly` where the application left it out; scripts cannot read it then.",
        ),
        Key("same_site", _words(SAME_SITE), "Adds `SameSite` where the application left it out: `lax` or `strict`."),
    ),
)
MASK = Shape(
    "mask",
    "a mask",
    (
        Key("keep_first", {"type": "integer", "minimum": 0}, "Letters and digits left at the start (default: 0)."),
        Key("keep_last", {"type": "integer", "minimum": 0}, "Letters and digits left at the end (default: 0)."),
        Key("character", {"type": "string", "minLength": 1, "maxLength": 1}, "What hides the others (default: `*`)."),
    ),
)

SHAPES = (
    FILE,
    CONTROLLER,
    SIGNALS,
    GPC,
    TCF,
    GPP,
    NOTICE,
    PURPOSE,
    RECIPIENT,
    CONTRACT,
    ROUTE,
    SIGNS_IN,
    MATCH,
    SUBJECT,
    SECTION,
    PAGES,
    REST,
    FIELD,
    COOKIE,
    MASK,
)

GENERALISATIONS = tuple(Generalisation)
LATER_WORDS = LATER_ACTIONS
