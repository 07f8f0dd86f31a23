"""The keys of the rule language in one table: the reader, the JSON Schema and the manual all use it."""

from collections.abc import Mapping
from typing import Any

from gateway.model.words import Basis, ConsentScope, Role, Safeguard, UnknownDestinations
from gateway.policy import forms
from gateway.policy.route_shapes import (
    COOKIE,
    FIELD,
    MASK,
    MATCH,
    PAGES,
    REST,
    ROUTE,
    SECTION,
    SIGNS_IN,
    SUBJECT,
)
from gateway.policy.shape import TEXT, Key, Shape, form, named, ref, some, words

VENDOR: Mapping[str, Any] = {"type": "integer", "minimum": forms.TCF_VENDORS[0], "maximum": forms.TCF_VENDORS[1]}
TCF_PURPOSE: Mapping[str, Any] = {"type": "integer", "minimum": forms.TCF_PURPOSES[0], "maximum": forms.TCF_PURPOSES[1]}

FILE = Shape(
    "file",
    "a rule file",
    (
        Key("version", {"const": 1}, "Version of the rule language; every file says it.", required=True),
        Key("controller", ref("controller"), "Who is responsible for the processing; in one file only."),
        Key("purposes", named(forms.PURPOSE_NAME, "purpose"), "Why data is processed, by name."),
        Key("recipients", named(forms.NAME, "recipient"), "Who receives data, by name."),
        Key("routes", {"type": "array", "items": ref("route")}, "Which messages the rules are about."),
        Key("postures", ref("postures"), "What happens where a message cannot be read; for all routes."),
        Key("cookies", named(forms.COOKIE_NAME, "cookie"), "Cookies of all routes, by name or `NAME*`."),
        Key("signals", ref("signals"), "Which signals of browsers count, and how; in one file only."),
        Key("notice", ref("notice"), "What people are told before they decide; in one file only."),
        Key("egress", ref("egress"), "What holds for calls that go out; in one file only."),
    ),
)
CONTROLLER = Shape(
    "controller",
    "the controller",
    (
        Key("name", TEXT, "Name of the organisation.", required=True),
        Key("contact", TEXT, "Where a person can turn to; shown in refusals."),
        Key("jurisdiction", TEXT, "Law that applies, such as `EU`, `UK`, `CN` or `US-CA`."),
        Key("representative", TEXT, "Name of the representative or data protection officer."),
        Key("address", TEXT, "Postal address."),
        Key("privacy_policy", TEXT, "Address of the published privacy policy."),
    ),
)
SIGNALS = Shape(
    "signals",
    "'signals'",
    (
        Key("gpc", ref("gpc"), "What `/.well-known/gpc.json` says besides that the signal is obeyed."),
        Key("dnt", words(forms.DNT_WORDS), "What `DNT: 1` means: nothing (`ignore`, default), or an objection."),
        Key("tcf", ref("tcf"), "Where strings of the Transparency & Consent Framework are read."),
        Key("gpp", ref("gpp"), "Where strings of the Global Privacy Platform are read."),
    ),
)
GPC = Shape(
    "gpc",
    "'gpc'",
    (
        Key(
            "last_update",
            form(forms.DATE),
            "Day on which the statement about Global Privacy Control was last changed (YYYY-MM-DD).",
            required=True,
        ),
    ),
)
TCF = Shape(
    "tcf",
    "'tcf'",
    (
        Key("cookie", TEXT, "Name of the cookie, mostly `euconsent-v2`."),
        Key("query", TEXT, "Name of the query parameter, mostly `gdpr_consent`."),
        Key("vendor", VENDOR, "Vendor id that counts for recipients without a `tcf_vendor`."),
    ),
)
GPP = Shape(
    "gpp",
    "'gpp'",
    (
        Key("cookie", TEXT, "Name of the cookie."),
        Key("query", TEXT, "Name of the query parameter, mostly `gpp`."),
    ),
)
NOTICE = Shape(
    "notice",
    "'notice'",
    (
        Key(
            "version",
            form(forms.NAME),
            "How this state of the notice is cited.",
            required=True,
        ),
        Key(
            "valid",
            form(forms.PERIOD),
            "How long consent holds, such as `P6M` (default: no end).",
        ),
        Key("text", ref("text"), "What stands above the choices, the essence in the first paragraph."),
    ),
)
EGRESS = Shape(
    "egress",
    "'egress'",
    (
        Key(
            "unknown",
            words(UnknownDestinations),
            "Calls to hosts of no recipient: `refuse` (default), or `observe`: forwarded as they are, and on record.",
        ),
    ),
)
PURPOSE = Shape(
    "purpose",
    "a purpose",
    (
        Key("basis", words(Basis), "Why the processing is lawful.", required=True),
        Key("title", ref("text"), "The purpose in the words that a person is asked with."),
        Key("sale_or_share", {"type": "boolean"}, "Whether Global Privacy Control opts out of it (default: false)."),
        Key(
            "consent_scope",
            words(ConsentScope),
            "`any` (default), or `recipient`: only consent for the very recipient counts.",
        ),
        Key("description", ref("text"), "What is done for the purpose, and what it means for the person."),
        Key("tcf", some(TCF_PURPOSE), "Purposes of the TCF (1 to 11) that a TC string has to hold consent for."),
    ),
)
RECIPIENT = Shape(
    "recipient",
    "a recipient",
    (
        Key("role", words(Role), "What the recipient is to the controller.", required=True),
        Key("upstream", form(forms.UPSTREAM), "URL of its service, for requests that come in: scheme, host, port."),
        Key("hosts", some(TEXT), "Hosts under which it is reached, by calls that go out and by pages."),
        Key("country", form("^[A-Z]{2}$"), "Country of the recipient, ISO 3166 (two letters)."),
        Key(
            "safeguard",
            words(Safeguard),
            "What lets data leave for its country (GDPR Art. 45 to 49, PIPL Art. 38).",
        ),
        Key("contract", ref("contract"), "The agreement on which data goes to the recipient."),
        Key(
            "embedded_for",
            some(TEXT),
            "Purpose, or purposes, for which pages embed something of its `hosts`; all of them have to be allowed.",
        ),
        Key(
            "may_receive",
            {"type": "object", "propertyNames": ref("class"), "additionalProperties": some(TEXT)},
            "Classes that it may receive, each with the purposes; a class stands for all below it. Left out: any.",
        ),
        Key("title", ref("text"), "The recipient's name as people are shown it."),
        Key("contact", TEXT, "Where a person can turn to about what it received."),
        Key("tcf_vendor", VENDOR, "Its id in the Global Vendor List, which a TC string has to hold consent for."),
    ),
)
CONTRACT = Shape(
    "contract",
    "a contract",
    (
        Key("ref", TEXT, "How the contract is filed.", required=True),
        Key("expires", form(forms.DATE), "Last day on which it is in force (YYYY-MM-DD)."),
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
    EGRESS,
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
