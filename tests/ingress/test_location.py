"""Where redirections of a partner lead whoever asked the relay."""

from functools import partial

import pytest

from gateway.ingress.location import homeward
from gateway.ingress.partner import PartnerMap

PARTNERS = PartnerMap(
    {
        "/mailer": "https://api.mailer.example",
        "/tally": "https://in.tally.example:8443",
        "/": "https://rest.example",
        "mailer.internal": "https://api.mailer.example",
    }
)


def home(value, asked=b"/mailer/v1/jobs", host="relay.internal"):
    path = asked.partition(b"?")[0]
    partner = PARTNERS.find(host, path)
    return homeward(value, partner, asked, partial(PARTNERS.find, host))


@pytest.mark.parametrize(
    ("value", "led"),
    [
        (b"https://api.mailer.example/v1/jobs/7", b"/mailer/v1/jobs/7"),
        (b"https://API.mailer.EXAMPLE:443/v1?a=b#c", b"/mailer/v1?a=b#c"),
        (b"HTTPS://api.mailer.example", b"/mailer/"),
        (b"https://api.mailer.example?x=1", b"/mailer/?x=1"),
        (b"//api.mailer.example/x", b"/mailer/x"),
        (b"/v1/jobs/7", b"/mailer/v1/jobs/7"),
        (b"/", b"/mailer/"),
        (b"jobs/7", b"/mailer/v1/jobs/7"),
        (b"?page=2", b"/mailer/v1/jobs?page=2"),
        (b"../v2/x", b"/mailer/v2/x"),
        (b"../../../tally/x", b"/mailer/tally/x"),
        (b"/../tally/x", b"/mailer/tally/x"),
        (b"/\xc3\xa9", b"/mailer/\xc3\xa9"),
        (b"/a b", b"/mailer/a b"),
        (b"/tally/x", b"/mailer/tally/x"),
        # others' stay as they are
        (b"http://api.mailer.example/x", b"http://api.mailer.example/x"),
        (b"https://api.mailer.example:8443/x", b"https://api.mailer.example:8443/x"),
        (b"https://login.example/x", b"https://login.example/x"),
        (b"https://api.mailer.example.evil.example/x", b"https://api.mailer.example.evil.example/x"),
        (b"https://api.mailer.example@evil.example/x", b"https://api.mailer.example@evil.example/x"),
        (b"https://user@api.mailer.example/x", b"https://user@api.mailer.example/x"),
        (b"//in.tally.example:8443/x", b"//in.tally.example:8443/x"),
        (b"///tally/x", b"///tally/x"),
        (b"mailto:a@b.example", b"mailto:a@b.example"),
        # what the relay would not take for this partner stays the partner's own URL
        (b"https://api.mailer.example/%2e%2e/tally", b"https://api.mailer.example/%2e%2e/tally"),
        (b"/%2e%2e/tally", b"https://api.mailer.example/%2e%2e/tally"),
        (b"/..%2ftally", b"https://api.mailer.example/..%2ftally"),
        (b"/..\\tally", b"https://api.mailer.example/..\\tally"),
    ],
)
def test_only_the_partner_s_own_places_become_paths_of_the_relay(value, led):
    assert home(value) == led


@pytest.mark.parametrize(
    ("value", "asked", "host", "led"),
    [
        (b"x", b"/mailer", "relay.internal", b"/mailer/x"),
        (b"x", b"/mailer?q=a/b", "relay.internal", b"/mailer/x"),
        (b"https://in.tally.example:8443/a", b"/tally/x", "relay.internal", b"/tally/a"),
        (b"https://in.tally.example/a", b"/tally/x", "relay.internal", b"https://in.tally.example/a"),
        (b"https://api.mailer.example/a", b"/v1", "mailer.internal:8082", b"/a"),
        (b"/tally/a", b"/v1", "mailer.internal", b"/tally/a"),
        (b"/a", b"/x", "relay.internal", b"/a"),
        (b"/mailer/a", b"/x", "relay.internal", b"https://rest.example/mailer/a"),
        (b"https://rest.example/mailer/a", b"/x", "relay.internal", b"https://rest.example/mailer/a"),
    ],
)
def test_the_way_back_depends_on_the_way_that_was_asked(value, asked, host, led):
    assert home(value, asked, host) == led


def test_what_leads_home_leads_to_the_same_partner():
    for value in (b"/x", b"../x/../../tally", b"https://api.mailer.example/tally", b"//api.mailer.example//tally"):
        assert PARTNERS.find("relay.internal", home(value)).url == "https://api.mailer.example"
