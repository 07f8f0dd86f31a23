"""Diagnostic codes of deployment: 90x a rules directory, 91x to 96x gateway.yaml. Meanings never change."""

from types import MappingProxyType

import msgspec

from gateway.model.errors import Severity


class Code(msgspec.Struct, frozen=True):
    code: str
    severity: Severity
    help: str


_ERRORS = {
    "PG901": "a rules directory or rule file cannot be read from disk",
    "PG902": "a rule file is not UTF-8, or too long to be one",
    "PG903": "the rules directory holds no rule file",
    "PG910": "gateway.yaml has no such key",
    "PG911": "a key of gateway.yaml that has to be there is missing",
    "PG912": "a mapping, a list or a single value is expected here",
    "PG913": "not one of the words that are allowed here",
    "PG914": "the value is not written as this key needs it, or out of its range",
    "PG915": "a file that gateway.yaml names cannot be read, or does not hold what it should",
    "PG916": "two listeners have the same address",
    "PG917": "this key cannot change while the gateway runs",
    "PG919": "gateway.yaml says no version, or one that this gateway does not read",
    "PG920": "TLS files are given for a recipient that has no https upstream",
    "PG921": "two recipients with one upstream have different TLS files",
    "PG922": "two keys of the ledger contradict each other, or one asks for another",
    "PG940": "a trusted header without the networks of the peers that may send it, or with all networks",
    "PG941": "client certificates are spoken of, but no listener has an authority to check them",
    "PG942": "a trusted header is removed before it is read, since its peers may not forward",
    "PG944": "a route asks verified sources who the person is, and none is configured",
    "PG950": "a colour of the person's pages has too little contrast to be read by everybody",
    "PG951": "the person's pages are configured, and no source of identity",
    "PG952": "a route lies under the path of the person's pages, which stand in front of it",
    "PG953": "egress has nobody who sends, or no port to send to, or is not configured at all",
    "PG954": "a mode of a proxy lacks what it needs, or has what belongs to another mode",
    "PG955": "a secret can be read by others, is too short, or is not written as it has to be",
    "PG956": "an application has nothing to prove itself by, or could be taken for another one",
    "PG957": "a relay leads to nobody, to two partners from one place, or from a place that cannot be",
    "PG958": "a partner on another machine would be reached without TLS",
    "PG960": "a proxy or relay leads to a host of which no recipient is declared",
    "PG945": "a route signs people in or out, and no session is configured",
    "PG930": "an anchor is of no kind that there is, or of more than one",
    "PG931": "two anchors are the same place",
}
_WARNINGS = {
    "PG943": "the keys of tokens come over a connection on which they can be replaced",
    "PG932": "a file that keeps heads lies on the same device as the ledger, and is lost or changed with it",
    "PG961": "the authority by which proxies read TLS ends within 30 days",
    "PG959": "secrets travel in the clear over the network",
    "PG918": "the admin listener can be reached from other hosts, and it asks nobody who they are",
}

CODES = MappingProxyType(
    {code: Code(code, Severity.ERROR, text) for code, text in _ERRORS.items()}
    | {code: Code(code, Severity.WARNING, text) for code, text in _WARNINGS.items()}
)
