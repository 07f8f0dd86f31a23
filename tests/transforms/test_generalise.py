import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.action import Generalisation
from gateway.transforms.generalise import generaliser

G = Generalisation


@pytest.mark.parametrize(
    ("to", "text", "group"),
    [
        (G.YEAR, "1987-03-05", "1987"),
        (G.YEAR, " 1987-03-05T10:11:12Z ", "1987"),
        (G.YEAR, "1987-03-05T10:11:12.123456+02:00", "1987"),
        (G.YEAR, "1987-03-05 10:11", "1987"),
        (G.YEAR, "1987-03", "1987"),
        (G.YEAR, "1987", "1987"),
        (G.YEAR, "19870305", "1987"),
        (G.YEAR, "1987-13-05", ""),
        (G.YEAR, "1987-03-32", ""),
        (G.YEAR, "05.03.1987", ""),
        (G.YEAR, "03/05/1987", ""),
        (G.YEAR, "1987-03-05x", ""),
        (G.YEAR, "1987-03-05T10:11:12Z Ann", ""),
        (G.YEAR, "\u0661\u0669\u0668\u0667", ""),
        (G.YEAR, "", ""),
        (G.MONTH, "1987-03-05", "1987-03"),
        (G.MONTH, "1987-03-05t23:59:60z", "1987-03"),
        (G.MONTH, "1987-03", "1987-03"),
        (G.MONTH, "19870305", "1987-03"),
        (G.MONTH, "1987", ""),
        (G.MONTH, "March 1987", ""),
        (G.DECADE, "1987-03-05", "1980s"),
        (G.DECADE, "1987", "1980s"),
        (G.DECADE, "2000-01-01", "2000s"),
        (G.DECADE, "34", "30-39"),
        (G.DECADE, "7", "0-9"),
        (G.DECADE, "100", "100-109"),
        (G.DECADE, "131", ""),
        (G.DECADE, "-5", ""),
        (G.DECADE, "34.5", ""),
        (G.DECADE, "thirty", ""),
        (G.NETWORK, "203.0.113.77", "203.0.113.0/24"),
        (G.NETWORK, "203.0.113.77:4711", "203.0.113.0/24"),
        (G.NETWORK, "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        (G.NETWORK, "[2001:db8:1:2::6]:443", "2001:db8:1::/48"),
        (G.NETWORK, "[2001:db8:1:2::6]", "2001:db8:1::/48"),
        (G.NETWORK, "fe80::1%eth0", "fe80::/48"),
        (G.NETWORK, "::1", "::/48"),
        (G.NETWORK, "::ffff:203.0.113.77", "203.0.113.0/24"),
        (G.NETWORK, "0.0.0.1", "0.0.0.0/24"),
        (G.NETWORK, "203.0.113.077", ""),
        (G.NETWORK, "203.0.113", ""),
        (G.NETWORK, "203.0.113.77, 198.51.100.1", ""),
        (G.NETWORK, "203.0.113.77/32", ""),
        (G.NETWORK, "3405803853", ""),
        (G.NETWORK, "localhost", ""),
        (G.NETWORK, "", ""),
        (G.EMAIL_DOMAIN, "ann@Shop.Example", "shop.example"),
        (G.EMAIL_DOMAIN, '"a@b"@shop.example', "shop.example"),
        (G.EMAIL_DOMAIN, "ann@m\u00fcller.example", "m\u00fcller.example"),
        (G.EMAIL_DOMAIN, "ann@localhost", "localhost"),
        (G.EMAIL_DOMAIN, "@shop.example", ""),
        (G.EMAIL_DOMAIN, "ann@", ""),
        (G.EMAIL_DOMAIN, "ann", ""),
        (G.EMAIL_DOMAIN, "ann@[203.0.113.77]", ""),
        (G.EMAIL_DOMAIN, "ann@shop.example, bob", ""),
        (G.EMAIL_DOMAIN, "Ann <ann@shop.example>", ""),
        (G.EMAIL_DOMAIN, "ann@shop..example", ""),
        (G.EMAIL_DOMAIN, "ann@shop\x00.example", ""),
        (G.POSTAL_AREA, "10115", "10"),
        (G.POSTAL_AREA, "sw1a 1aa", "SW"),
        (G.POSTAL_AREA, "D-10115", "D1"),
        (G.POSTAL_AREA, "10", ""),
        (G.POSTAL_AREA, "", ""),
        (G.LANGUAGE, "de-CH,de;q=0.9,en;q=0.8", "de,en"),
        (G.LANGUAGE, "en-US", "en"),
        (G.LANGUAGE, "DE, *;q=0.5", "de,*"),
        (G.LANGUAGE, "fr ; q=1.000", "fr"),
        (G.LANGUAGE, "zh-Hant-TW,zh;q=0", "zh"),
        (G.LANGUAGE, "de,,en", "de,en"),
        (G.LANGUAGE, "de;q=2", ""),
        (G.LANGUAGE, "de;level=1", ""),
        (G.LANGUAGE, "my name is Ann", ""),
        (G.LANGUAGE, "", ""),
        (G.USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox/132 (Linux)"),
        (G.USER_AGENT, "Ann's phone", ""),
    ],
)
def test_generalise(to, text, group):
    assert generaliser(to)(text) == group


SHAPES = {
    G.YEAR: r"[0-9]{4}",
    G.MONTH: r"[0-9]{4}-[0-9]{2}",
    G.DECADE: r"[0-9]{4}s|[0-9]{1,3}-[0-9]{1,3}",
    G.NETWORK: r"[0-9.]+\.0/24|[0-9a-f:]+::/48",
    G.EMAIL_DOMAIN: r"[\w.-]+",
    G.POSTAL_AREA: r"[^\s]{2,6}",
    G.LANGUAGE: r"[a-z*,]+",
    G.USER_AGENT: r"[A-Za-z ]+/[0-9]{1,3}( \([A-Za-z]+\))?",
}


def test_every_kind_has_a_transform():
    assert {to: callable(generaliser(to)) for to in G} == dict.fromkeys(SHAPES, True)


@pytest.mark.parametrize("to", G)
@given(text=st.text() | st.from_regex(r"[0-9:.\-T@,a-zA-Z]{0,30}", fullmatch=True))
def test_what_comes_out_has_the_shape_of_the_group_or_is_empty(to, text):
    group = generaliser(to)(text)

    assert group == "" or re.fullmatch(SHAPES[to], group)


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_falls_in_its_network(address):
    expected = ".".join(str(address).split(".")[:3]) + ".0/24"

    assert generaliser(G.NETWORK)(str(address)) == expected


@given(st.dates(), st.times())
def test_every_iso_moment_has_a_year_a_month_and_a_decade(day, moment):
    text = f"{day.isoformat()}T{moment.isoformat()}"

    assert generaliser(G.YEAR)(text) == f"{day.year:04}"
    assert generaliser(G.MONTH)(text) == f"{day.year:04}-{day.month:02}"
    assert generaliser(G.DECADE)(text) == f"{day.year // 10 * 10:04}s"
