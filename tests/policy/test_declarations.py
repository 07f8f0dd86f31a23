import pytest

from gateway.policy.declarations import Declarations, read_postures, read_purposes
from gateway.policy.forms import POSTURE_CHOICES
from gateway.policy.reader import Reader
from gateway.policy.recipients import read_recipients
from gateway.policy.report import Report
from gateway.policy.source import read_source


def node_of(text):
    report = Report()
    return Reader(report), read_source("a.yaml", f"x: {text}\n", report).entries[0][1]


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://shop.example/", "https://shop.example"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://shop.example:0", None),
        ("http://shop.example:99999", None),
        ("http://:80", None),
        ("http://[::1", None),
        ("http://user:secret@shop.example", None),
        ("http://shop.example/base", None),
        ("http://shop.example?x", None),
        ("ftp://shop.example", None),
        ("shop.example", None),
        ("HTTP://shop.example", None),
    ],
)
def test_an_upstream_is_scheme_host_and_port(url, upstream):
    reader, node = node_of(f'{{shop: {{role: controller, upstream: "{url}"}}}}')
    known = Declarations()

    read_recipients(reader, node, known)

    assert known.recipients["shop"].upstream == upstream
    assert [d.code for d in reader.report.diagnostics] == ([] if upstream else ["PG108"])


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("ads", True),
        ("ads.email", True),
        ("a-b_c1", True),
        ("Ads", False),
        ("ads.", False),
        ("1a", False),
        ("a b", False),
        ("a\\n", False),
    ],
)
def test_names_of_purposes(name, fits):
    reader, node = node_of(f'{{"{name}": {{basis: consent}}}}')
    known = Declarations()

    read_purposes(reader, node, known)

    assert (len(known.purposes) == 1) is fits
    assert [d.code for d in reader.report.diagnostics] == ([] if fits else ["PG108"])


def test_every_posture_takes_its_choices_and_never_pass():
    for posture, choices in POSTURE_CHOICES.items():
        assert choices[0] == "block"
        for choice in ("block", "drop", "collapse", "strip", "pass"):
            reader, node = node_of(f"{{{posture}: {choice}}}")
            found = [(name, chosen) for _, name, chosen in read_postures(reader, node)]
            assert found == ([(posture, choice)] if choice in choices else [])
            assert bool(reader.report.diagnostics) == (choice not in choices)
    assert not any("pass" in choices for choices in POSTURE_CHOICES.values())
