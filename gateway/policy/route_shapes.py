"""The keys of a route and of its parts."""

from gateway.model.words import Direction, Mode, PageMode, Part, Rest, UnknownHosts
from gateway.policy import forms
from gateway.policy.policy import REFERRER_POLICIES
from gateway.policy.shape import TEXT, Key, Shape, form, ref, some, words

ROUTE = Shape(
    "route",
    "a route",
    (
        Key("name", form(forms.NAME), "Name in records and metrics; used once.", required=True),
        Key("match", ref("match"), "Which requests the route is for.", required=True),
        Key(
            "to",
            TEXT,
            "The recipient of requests; it needs an `upstream`, or `hosts` for calls that go out.",
            required=True,
        ),
        Key("caller", TEXT, "The recipient of the responses (default: `caller`, which need not be declared)."),
        Key(
            "subject",
            {"anyOf": [words(forms.SUBJECT_WORDS), ref("subject")]},
            "Who the data is about: an address, or `identity`, whom a verified source names.",
        ),
        Key("mode", words(Mode), "`enforce` (default), or `observe`: record only and change nothing."),
        Key("request", ref("section"), "Rules for requests (left out: everything that is not plumbing is dropped)."),
        Key("response", ref("section"), "Rules for responses; has to be there on an enforced route."),
        Key("postures", ref("postures"), "What happens where a message of this route cannot be read."),
        Key(
            "stream",
            some(words(forms.STREAMS)),
            "What may flow: unread, or edited item by item (`items`).",
        ),
        Key("record", words(forms.RECORDS), "`known` (default): messages with known data; `always`: every message."),
        Key("body_limit", ref("size"), "Largest body that is read on this route."),
        Key("signs_in", ref("sign_in"), "Which answers tie the application's session to a person."),
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
            some({"type": "integer", "minimum": 200, "maximum": 399}),
            "Statuses of answers to a successful sign-in, and of no others.",
            required=True,
        ),
        Key(
            "location",
            some(form("^/")),
            "Paths, one of which the `Location` of a redirection has to name (default: any).",
        ),
        Key("person", ref("address"), "Address, in the answer, of who signed in (default: the route's subject)."),
    ),
)
MATCH = Shape(
    "match",
    "a match",
    (
        Key("host", some(TEXT), "Host, `*.host`, or a list (default: any)."),
        Key("method", some(form("^[A-Z][A-Z-]*$")), "Method or list (default: any)."),
        Key("path", form("^/"), "Path pattern.", required=True),
    ),
)
SUBJECT = Shape(
    "subject",
    "a subject",
    (
        Key(
            "field",
            ref("address"),
            "Address, in the request (with `each`: in the item), of what identifies the person.",
            required=True,
        ),
        Key("each", ref("address"), "The elements of an array, each about a person of its own: `$.items[*]`."),
        Key("in", words(reversed(Direction)), "Where that array is: in the `response` (default) or `request`."),
    ),
)
SECTION = Shape(
    "section",
    "a section",
    (
        Key("fields", {"type": "object", "additionalProperties": ref("field")}, "Listed fields by address."),
        Key("rest", ref("rest"), "What becomes of values that are not listed (default: drop)."),
        Key("detect", {}, "Detectors for what no address names.", later=True),
        Key("pages", ref("pages"), "What becomes of third parties in HTML pages (responses only)."),
    ),
)
PAGES = Shape(
    "pages",
    "'pages'",
    (
        Key("mode", words(PageMode), "`enforce` (default), or `report`: only list the hosts that pages name."),
        Key(
            "unknown",
            words(UnknownHosts),
            "Hosts of no recipient: `hold` (default), `pass`, or `report`: let through, and on record.",
        ),
        Key("banner", {"type": "boolean"}, "Ask for consent in the page while an answer is missing (default: true)."),
        Key("link", {"type": "boolean"}, "A small link to the person's choices in every page (default: false)."),
        Key("placeholder", ref("text"), "What a frame shows that is held back; `{host}` stands for its host."),
        Key("csp", {"type": "boolean"}, "A second Content-Security-Policy that only narrows (default: true)."),
        Key(
            "referrer_policy",
            words(REFERRER_POLICIES),
            "Strictest of this and the application's own (default: `strict-origin-when-cross-origin`).",
        ),
        Key(
            "permissions_policy",
            {"type": "array", "items": form(forms.FEATURE)},
            "Features of browsers that no page may use (default: those for advertising).",
        ),
        Key("client_hints", words(forms.CLIENT_HINTS), "`drop` (default) what tells browsers apart, or `keep`."),
    ),
)
REST = Shape("rest", "'rest'", tuple(Key(part, words(Rest), f"The rest of the {part}.") for part in Part))
FIELD = Shape(
    "field",
    "a field",
    (
        Key("is", ref("class"), "Class of the data; a leading `user.` may be left out.", required=True),
        Key("for", TEXT, "The purpose that it passes for.", required=True),
        Key("as", ref("action"), "What is done where the purpose allows it (default: keep)."),
        Key("otherwise", ref("action"), "What is done where it does not (default: block)."),
    ),
)
COOKIE = Shape(
    "cookie",
    "a cookie",
    (
        *FIELD.keys[:3],
        Key("otherwise", ref("action"), "What is done where it does not (default: drop)."),
        Key(
            "max_age",
            form(forms.LIFETIME),
            "Longest lifetime: a number with `s`, `min`, `h` or `d`.",
        ),
        Key("secure", {"const": True}, "Adds `Secure` where the application left it out; for sites with TLS only."),
        Key(
            "http_only",
            {"const": True},
            "Adds `HttpOnly` where the application left it out; scripts cannot read it then.",
        ),
        Key(
            "same_site", words(forms.SAME_SITE), "Adds `SameSite` where the application left it out: `lax` or `strict`."
        ),
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
