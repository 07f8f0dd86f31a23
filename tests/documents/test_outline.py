import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.outline import host_outline, step_of


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("api.mailer.example", "api.mailer.example"),
        ("API.Mailer.Example", "api.mailer.example"),
        ("api2.eu-west-1.mailer.example:8443", "api2.eu-west-1.mailer.example:8443"),
        ("o4507193.ingest.sentry.io", "*.ingest.sentry.io"),
        ("www.163.com", "www.163.com"),
        ("1und1.de", "1und1.de"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("4915123456789.example", "*.example"),
        ("d41d8cd98f00b204e9800998ecf8427e.tracker.example", "*.tracker.example"),
        ("a.ohfzq5dfnfxgk4tfoiqgc3q.tracker.example", "*.tracker.example"),
        ("ann.with-a-very-long-label-of-her-own.example", "ann.with-a-very-long-label-of-her-own.example"),
        ("with-a-very-long-label-of-her-own.b.example", "*.b.example"),
        ("mailer", "mailer"),
        ("mailer-1", "mailer-1"),
        ("m4915123456789", "*"),
        ("localhost:8000", "localhost:8000"),
        ("203.0.113.9", "203.0.113.*"),
        ("203.0.113.9:8080", "203.0.113.*:8080"),
        ("10.1.2.3", "10.1.2.3"),
        ("127.0.0.1:9000", "127.0.0.1:9000"),
        ("[2001:db8:1:2::9]:443", "[2001:db8:1::*]:443"),
        ("[fd00::9]", "[fd00::9]"),
        ("ann@example.com", "*.com"),
        ("a_b.example.", "*.example"),
        ("x.example:999999", "*"),
        ("", "*"),
        (".", "*"),
    ],
)
def test_hosts_are_written_without_what_looks_like_data(host, written):
    assert host_outline(host) == written


@given(st.text(max_size=200))
def test_any_host_has_an_outline_that_stays_itself(host):
    written = host_outline(host)

    assert len(written) < 300
    assert "@" not in written
    assert "*" in written or host_outline(written) == written


@pytest.mark.parametrize(
    ("name", "step"), [("email", "email"), ("line_2", "line_2"), ("ann@b.example", "*"), ("", "*")]
)
def test_names_that_look_like_data_are_stars(name, step):
    assert step_of(name) == step
