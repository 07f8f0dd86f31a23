"""Fields of one hop, and what a hop says about itself."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.hops import (
    HOP_BY_HOP,
    NEVER_NOMINATED,
    ForwardedFields,
    ForwardedMode,
    Forwarding,
    add_forwarding,
    passed_before,
    strip_hop_by_hop,
    strip_request,
)


def pairs(*lines):
    return tuple(tuple(line.split(b": ", 1)) for line in lines)


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
@pytest.mark.parametrize("spell", [bytes.lower, bytes.upper, bytes.title])
def test_hop_by_hop_fields_go(name, spell):
    headers = ((b"Host", b"a"), (spell(name), b"x"), (b"Accept", b"*/*"))
    expected = ((b"Host", b"a"), (b"Accept", b"*/*"))
    assert strip_hop_by_hop(headers) == expected
    assert strip_request(headers, trusted=True) == expected
    assert strip_request(headers, trusted=False) == expected


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        ((b"close",), b"X-A X-B Cookie Host"),
        ((b"keep-alive",), b"X-A X-B Cookie Host"),
        ((b"X-A",), b"X-B Cookie Host"),
        ((b"close, x-a",), b"X-B Cookie Host"),
        ((b"close", b"X-b"), b"X-A Cookie Host"),
        ((b"\tx-A ,,x-B",), b"Cookie Host"),
        ((b"Cookie",), b"X-A X-B Host"),
        ((b"Host, X-A",), b"X-B Cookie Host"),
        ((b"",), b"X-A X-B Cookie Host"),
    ],
)
def test_nominated_fields_go_with_connection(connection, kept):
    headers = (
        *((b"Connection", value) for value in connection[:1]),
        *pairs(b"X-A: 1", b"X-B: 2", b"Cookie: c=1", b"Host: a"),
        *((b"CONNECTION", value) for value in connection[1:]),
    )
    for stripped in (strip_hop_by_hop(headers), strip_request(headers, trusted=False)):
        assert b" ".join(name for name, _ in stripped) == kept


@pytest.mark.parametrize("name", sorted(NEVER_NOMINATED))
def test_no_sender_can_take_away_what_all_recipients_need(name):
    headers = ((b"Connection", name.upper()), (name, b"x"))
    assert strip_hop_by_hop(headers) == ((name, b"x"),)


FORWARDED = pairs(
    b"Forwarded: for=1.2.3.4",
    b"X-Forwarded-For: 1.2.3.4",
    b"X-Forwarded-Host: evil",
    b"X-Forwarded-Whatever: x",
    b"X-Real-IP: 1.2.3.4",
    b"True-Client-IP: 1.2.3.4",
)


def test_forwarding_fields_pass_from_trusted_peers_only():
    headers = (*pairs(b"Host: a"), *FORWARDED, *pairs(b"X-Forwarder: kept"))
    assert strip_request(headers, trusted=True) == headers
    assert strip_request(headers, trusted=False) == pairs(b"Host: a", b"X-Forwarder: kept")


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    ("name", "passes"),
    [
        (b"X_Forwarded_For", False),
        (b"X-Forwarded_Proto", False),
        (b"x_forwarded_anything", False),
        (b"X_Real_IP", False),
        (b"Transfer_Encoding", False),
        (b"Content_Length", False),
        (b"Keep_Alive", False),
        (b"Sec_GPC", False),
        (b"SET_COOKIE", False),
        (b"X_Request_Id", True),
        (b"my_field", True),
    ],
)
def test_names_with_underscore_go_where_they_pass_for_another(name, passes, trusted):
    headers = ((name, b"x"), (b"Host", b"a"))
    expected = headers if passes else headers[1:]
    assert strip_request(headers, trusted=trusted) == expected


def test_nominated_names_with_underscore_go_too():
    headers = pairs(b"Connection: my_field", b"my_field: x", b"other_field: y", b"X-Forwarded-For: 1.2.3.4")
    assert strip_request(headers, trusted=False) == pairs(b"other_field: y")


names = st.from_regex(rb"[!#$%&'*+\-.^`|~0-9A-Za-z]{1,12}", fullmatch=True)


@given(st.lists(st.tuples(names, st.binary(max_size=8))))
def test_end_to_end_fields_stay_as_they_are(headers):
    ends = tuple(pair for pair in headers if pair[0].lower() not in HOP_BY_HOP)
    assert strip_hop_by_hop(ends) == ends
    if not any(name.lower() == b"connection" for name, _ in headers):
        assert strip_hop_by_hop(headers) == ends


@pytest.mark.parametrize(
    ("existing", "loop"),
    [
        ((), False),
        ((b"1.1 other",), False),
        ((b"1.1 pgw",), True),
        ((b"1.1 PGW",), True),
        ((b"1.0 fred, HTTP/1.1 pgw (note)",), True),
        ((b"1.0 fred", b"1.1\tpgw"), True),
        ((b"1.1 other (1.1, 1.1 pgw)",), False),
        ((b"1.1 other (a (1.1 x, 1.1 pgw) b)",), False),
        ((b"1.1 pgw2",), False),
        ((b"1.1 a(, 1.1 pgw",), True),
        ((b"pgw",), False),
    ],
)
def test_loop(existing, loop):
    assert passed_before(existing, b"pgw") is loop
    assert passed_before((*existing, b"1.1 pgw"), b"pgw")


APPEND = Forwarding(mode=ForwardedMode.APPEND)
HIDDEN = Forwarding(mode=ForwardedMode.APPEND, hide_client=True)
ONLY_RFC = Forwarding(mode=ForwardedMode.APPEND, fields=ForwardedFields.FORWARDED)
ONLY_X = Forwarding(mode=ForwardedMode.APPEND, fields=ForwardedFields.X_FORWARDED)


@pytest.mark.parametrize(
    ("forwarding", "headers", "peer", "host", "expected"),
    [
        (Forwarding(), pairs(b"A: b"), "192.0.2.1", b"a", pairs(b"A: b")),
        (
            APPEND,
            pairs(b"A: b"),
            "192.0.2.1",
            b"a.example",
            pairs(
                b"A: b",
                b"Forwarded: for=192.0.2.1;proto=https;host=a.example",
                b"X-Forwarded-For: 192.0.2.1",
                b"X-Forwarded-Proto: https",
                b"X-Forwarded-Host: a.example",
            ),
        ),
        (
            ONLY_RFC,
            (),
            "2001:db8::1",
            b"a:8443",
            pairs(b'Forwarded: for="[2001:db8::1]";proto=https;host="a:8443"'),
        ),
        (ONLY_RFC, (), "fe80::1%eth0", b"[::1]", pairs(b'Forwarded: for="[fe80::1]";proto=https;host="[::1]"')),
        (ONLY_RFC, (), "", b"", pairs(b"Forwarded: for=unknown;proto=https")),
        (ONLY_RFC, (), "a;b", b'q"\\', pairs(b'Forwarded: for=unknown;proto=https;host="q\\"\\\\"')),
        (
            ONLY_X,
            pairs(b"x-forwarded-for: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2", b"x-forwarded-proto: http"),
            "2001:db8::1",
            b"a",
            pairs(
                b"x-forwarded-for: 1.1.1.1",
                b"X-Forwarded-For: 2.2.2.2, 2001:db8::1",
                b"x-forwarded-proto: http",
                b"X-Forwarded-Host: a",
            ),
        ),
        (
            HIDDEN,
            pairs(b"Forwarded: for=1.1.1.1"),
            "192.0.2.1",
            b"a",
            pairs(
                b"Forwarded: for=1.1.1.1, for=_hidden;proto=https;host=a",
                b"X-Forwarded-Proto: https",
                b"X-Forwarded-Host: a",
            ),
        ),
        (ONLY_RFC, ((b"Forwarded", b""),), "192.0.2.1", b"", pairs(b"Forwarded: for=192.0.2.1;proto=https")),
    ],
    ids=["off", "both", "IPv6", "zone", "no peer", "quoting", "X only", "hidden", "empty before"],
)
def test_forwarding(forwarding, headers, peer, host, expected):
    assert add_forwarding(headers, forwarding, peer=peer, scheme="https", host=host) == expected


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::5", True),
        ("fe80::1%eth0", False),
        ("11.0.0.1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_trusted_networks(peer, trusted):
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
    assert Forwarding(trusted=networks).trusts(peer) is trusted
    assert Forwarding().trusts(peer) is False
