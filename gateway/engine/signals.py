"""What a client carries that may narrow what is done: Sec-GPC, DNT, TC strings, GPP strings.

Everything here is a claim of the client. It can take a purpose away, and never gives one.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from gateway.documents.consent_bits import RefusedString
from gateway.documents.cookies import read_cookie
from gateway.documents.gpp import decode_gpp_string
from gateway.documents.query import read_query
from gateway.documents.tcf import TcString, decode_tc_string
from gateway.model.errors import Unreadable
from gateway.model.facts import NOTHING_DENIED, Facts
from gateway.model.message import HeaderPairs, RequestHead, header_values
from gateway.model.words import Basis
from gateway.policy.decide import ANY, with_parents
from gateway.policy.policy import CALLER, Carriers, Policy, Purpose

TCF, GPP = "tcf", "gpp"
STRINGS_AT_MOST = 8
"""Strings of one kind in one request; with more of them nobody can tell which one is meant."""

_DNT = re.compile(rb"1[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]*")
"""An objection to tracking, perhaps with extensions (W3C TPE, section 5.2)."""

Said = TypeVar("Said")


class Signalled(msgspec.Struct, frozen=True):
    """What the signals of one request come down to; `unreadable` names kinds of strings that could not be read."""

    gpc: bool = False
    dnt: bool = False
    opted_out: bool = False
    denied: frozenset[tuple[str, str]] = NOTHING_DENIED
    unreadable: tuple[str, ...] = ()


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """What was read last of one block of header fields, and with which query."""

    query: bytes
    said: Signalled


SILENT = Signalled()


class SignalReader:
    """Reads the signals that the rules of one policy let count. Immutable, and equal to nothing but itself."""

    def __init__(self, policy: Policy) -> None:
        signals = policy.signals
        self._dnt = signals.dnt
        self._tcf = signals.tcf or Carriers()
        self._gpp = signals.gpp or Carriers()
        self._reads_strings = signals.tcf is not None or signals.gpp is not None
        self._queries = self._tcf.query is not None or self._gpp.query is not None
        self._mapped = {each.name: each.tcf for each in policy.purposes.values() if each.tcf and self._reads_strings}
        vendors = {each.name: each.tcf_vendor or self._tcf.vendor for each in policy.recipients.values()}
        vendors.setdefault(CALLER, self._tcf.vendor)
        self._vendors = [(name, vendor) for name, vendor in vendors.items() if vendor is not None]

    def varies_by(self, purposes: Iterable[Purpose]) -> tuple[bytes, ...]:
        """The request fields on which decisions about these purposes depend; empty where no signal matters."""
        known = list(purposes)
        sale = any(purpose.sale_or_share for purpose in known)
        mapped = any(not self._mapped.keys().isdisjoint(with_parents(purpose.name)) for purpose in known)
        opts_out = sale and self._gpp != Carriers()
        fields = [b"Sec-GPC"] if sale else []
        if self._dnt and any(purpose.basis is Basis.LEGITIMATE_INTEREST for purpose in known):
            fields.append(b"DNT")
        if (mapped and self._tcf.cookie) or ((mapped or opts_out) and self._gpp.cookie):
            fields.append(b"Cookie")
        return tuple(fields)

    def matters(self, purposes: Iterable[Purpose]) -> bool:
        """Whether any signal can change what is decided about one of these purposes."""
        known = list(purposes)
        mapped = any(not self._mapped.keys().isdisjoint(with_parents(purpose.name)) for purpose in known)
        return mapped or bool(self.varies_by(known))

    def read(self, head: RequestHead) -> Signalled:
        """What a request carries. A string that cannot be read counts as one that denies everything."""
        query = head.target.partition(b"?")[2] if self._queries else b""
        kept = head.derived.get(self)
        if not isinstance(kept, _Kept) or kept.query != query:
            kept = head.derived[self] = _Kept(query, self._judged(head.headers, query))
        return kept.said

    def _judged(self, headers: HeaderPairs, query: bytes) -> Signalled:
        gpc = b"1" in header_values(headers, b"sec-gpc")
        dnt = self._dnt and any(_DNT.fullmatch(value) for value in header_values(headers, b"dnt"))
        if not self._reads_strings:
            return Signalled(gpc, dnt) if gpc or dnt else SILENT
        gpps, gpp_unread = _decoded(self._gpp, headers, query, decode_gpp_string)
        tcs, tc_unread = _decoded(self._tcf, headers, query, decode_tc_string)
        opted_out = gpp_unread or any(each.opted_out for each in gpps)
        strings = [*tcs, *(each.tcf for each in gpps if each.tcf is not None)]
        denied = self._denied(strings, unread=gpp_unread or tc_unread)
        unreadable = (*((TCF,) if tc_unread else ()), *((GPP,) if gpp_unread else ()))
        return Signalled(gpc or any(each.gpc for each in gpps), dnt, opted_out, denied, unreadable)

    def _denied(self, strings: list[TcString], *, unread: bool) -> frozenset[tuple[str, str]]:
        denied: set[tuple[str, str]] = set()
        if not strings and not unread:
            return NOTHING_DENIED
        for purpose, wanted in self._mapped.items():
            if unread or not all(each.consents(number, None) for each in strings for number in wanted):
                denied.add((purpose, ANY))
                continue
            for recipient, vendor in self._vendors:
                if not all(each.consents(number, vendor) for each in strings for number in wanted):
                    denied.add((purpose, recipient))
        return frozenset(denied)


def with_signals(facts: Facts, said: Signalled) -> Facts:
    """Facts and what the client carries, as one."""
    if said is SILENT:
        return facts
    return msgspec.structs.replace(facts, gpc=said.gpc, dnt=said.dnt, opted_out=said.opted_out, denied=said.denied)


def _decoded(
    carriers: Carriers, headers: HeaderPairs, query: bytes, decode: Callable[[str], Said]
) -> tuple[list[Said], bool]:
    """Every string that comes by these carriers, and whether one of them cannot be read."""
    try:
        texts = read_cookie(headers, carriers.cookie) if carriers.cookie is not None else []
        if carriers.query is not None:
            texts += read_query(query, carriers.query)
        if len(texts) > STRINGS_AT_MOST:
            return [], True
        return [decode(text) for text in texts], False
    except (Unreadable, RefusedString):
        return [], True
