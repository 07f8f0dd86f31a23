"""Which partner a request to a relay is for, whatever its path looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingress import partner
from gateway.ingress.partner import PartnerMap
from gateway.model.errors import Unreadable
from gateway.model.words import Posture
from gateway.policy.path_views import normal_views

TO = {
    "/mailer": "https://api.mailer.example",
    "/mailer/eu": "https://eu.mailer.example",
    "/tally": "https://in.tally.example:8443",
    "mailer.internal": "https://api.mailer.example",
    "odd.internal:9000": "https://odd.example",
    "[::1]": "https://six.example",
}
WITH_ROOT = TO | {"/": "https://rest.example"}


def url_of(to, host, path):
    found = PartnerMap(to).find(host, path)
    return None if found is None else found.url


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (b"/mailer", "https://api.mailer.example"),
        (b"/mailer/", "https://api.mailer.example"),
        (b"/mailer/x", "https://api.mailer.example"),
        (b"/mailer/x/y", "https://api.mailer.example"),
        (b"/mailer//x", "https://api.mailer.example"),
        (b"/mailer/.", "https://api.mailer.example"),
        (b"/mailer/eu", "https://eu.mailer.example"),
        (b"/mailer/eu/x", "https://eu.mailer.example"),
        (b"/mailer/europe", "https://api.mailer.example"),
        (b"/mailer/a%2ab", "https://api.mailer.example"),
        (b"/mailer/a/../b", "https://api.mailer.example"),
        (b"/mailer/a;b=c", "https://api.mailer.example"),
        (b"/tally/mailer", "https://in.tally.example:8443"),
        (b"/mailerx", None),
        (b"/Mailer", None),
        (b"/other/mailer", None),
        (b"/", None),
        (b"*", None),
    ],
)
def test_prefixes_count_by_whole_segments(path, url):
    assert url_of(TO, "relay.internal", path) == url


@pytest.mark.parametrize(
    "path",
    [
        b"/mailer/../tally",
        b"/mailer/../other",
        b"/mailer/%2e%2e/tally",
        b"/mailer/%2E%2e/tally/x",
        b"/mailer/%252e%252e/tally",
        b"/mailer/..;/tally",
        b"/mailer/x/../../tally",
        b"/mailer/..\\tally",
        b"/mailer\\..\\tally",
        b"/mailer%2f..%2ftally",
        b"/mailer/..%2ftally",
        b"/mailer/..%5ctally",
        b"/mailer%2fx",
        b"/mailer%5cx",
        b"/%6dailer/x",
        b"//mailer/x",
        b"/./mailer/x",
        b"/x/../mailer/x",
        b"/mailer;x",
        b"/mailer;/x",
        b"/mailer/eu/..",
        b"/mailer/x/../eu/y",
        b"/mailer/%65u/y",
        b"/mailer//eu/y",
        b"/mailer/../mailer/x",
        b"/mailer/x/%2e%2e/%2e%2e/mailer/x",
        b"/mailer/\0/../../tally",
        b"/mailer%00/x",
    ],
)
def test_what_others_could_read_as_another_s_is_refused(path):
    with pytest.raises(Unreadable) as caught:
        url_of(TO, "relay.internal", path)
    assert caught.value.posture is Posture.AMBIGUOUS_FRAMING


@pytest.mark.parametrize(
    ("host", "path", "url"),
    [
        ("mailer.internal", b"/x", "https://api.mailer.example"),
        ("mailer.internal:8082", b"/x", "https://api.mailer.example"),
        ("mailer.internal", b"/tally/x", "https://api.mailer.example"),
        ("mailer.internal", b"*", "https://api.mailer.example"),
        ("odd.internal:9000", b"/x", "https://odd.example"),
        ("odd.internal:9001", b"/x", "https://rest.example"),
        ("odd.internal", b"/tally", "https://in.tally.example:8443"),
        ("x.mailer.internal", b"/x", "https://rest.example"),
        ("[::1]:8082", b"/x", "https://six.example"),
        ("[::1]", b"/x", "https://six.example"),
        ("[::2]", b"/x", "https://rest.example"),
        ("", b"/x", "https://rest.example"),
        ("relay.internal", b"/", "https://rest.example"),
        ("relay.internal", b"/mailer", "https://api.mailer.example"),
        ("relay.internal", b"/mailerx/y", "https://rest.example"),
    ],
)
def test_a_host_counts_before_a_prefix_and_the_longest_prefix_before_others(host, path, url):
    assert url_of(WITH_ROOT, host, path) == url


def test_with_a_prefix_for_everything_else_a_doubt_is_still_one():
    for path in (b"/x/../mailer/y", b"/%6dailer", b"//mailer", b"/mailer/../x"):
        with pytest.raises(Unreadable):
            url_of(WITH_ROOT, "relay.internal", path)


PIECES = st.sampled_from(
    [
        b"mailer",
        b"eu",
        b"tally",
        b"x",
        b"..",
        b".",
        b"%2e%2e",
        b"%2f",
        b"%5c",
        b"\\",
        b"/",
        b"//",
        b";",
        b"%6dailer",
        b"%00",
        b"%252e",
    ]
)


@given(st.lists(PIECES, max_size=8).map(lambda pieces: b"/" + b"/".join(pieces)))
def test_whoever_decodes_and_folds_finds_the_same_partner_and_the_same_path_there(path):
    partners = PartnerMap(WITH_ROOT)
    try:
        found = partners.find("relay.internal", path)
    except Unreadable:
        return
    assert found is not None
    assert path.startswith(found.prefix)
    rest = path[len(found.prefix) :] or b"/"
    for view, there in zip(normal_views(path), normal_views(rest), strict=True):
        folded = b"/" + b"/".join(text for text, _, _ in view)
        try:
            assert partners.find("relay.internal", folded) is found
        except Unreadable:
            assert b"%" in folded or b"\0" in folded
        assert folded[len(found.prefix) :].strip(b"/") == b"/".join(text for text, _, _ in there).strip(b"/")


def test_what_is_remembered_of_paths_is_bounded_and_changes_nothing(monkeypatch):
    monkeypatch.setattr(partner, "PATHS_REMEMBERED", 3)
    partners = PartnerMap(TO)
    for turn in range(3):
        for number in range(10):
            assert partners.find("relay.internal", b"/tally/%d" % number).url == "https://in.tally.example:8443"
            assert partners.find("relay.internal", b"/mailer/%d" % turn).url == "https://api.mailer.example"
            assert partners.find("relay.internal", b"/nowhere/%d" % number) is None
            assert partners.find("mailer.internal", b"/tally/%d" % number).url == "https://api.mailer.example"
            assert len(partners._found) <= 3
    assert partners.find("relay.internal", b"/tally/" + b"x" * 300) is not None
    assert max(len(path) for _, path in partners._found) < 300
