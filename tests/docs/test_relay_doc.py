"""docs/relay.md: its example is settings that are accepted, and its addresses lead where the text says."""

import re
from functools import partial
from pathlib import Path

import pytest
from certificates import Authority
from outgoing_gateway import secret_in

from gateway.ingress.location import homeward
from gateway.ingress.partner import PartnerMap
from gateway.model.errors import Unreadable
from gateway.runtime.settings_file import load_settings

PAGE = (Path(__file__).parents[2] / "docs/relay.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def relay(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "secrets").mkdir()
    secret_in(tmp_path / "secrets").rename(tmp_path / "secrets" / "shop")
    Authority(tmp_path, "mailer-ca")
    file = tmp_path / "gateway.yaml"
    file.write_text("version: 1\nrules: rules\nstate: state\n" + EXAMPLE)
    settings, warnings = load_settings(file)
    assert warnings == []
    (listener,) = settings.egress.relays
    return PartnerMap(listener.to)


def test_the_example_leads_where_the_text_says(relay):
    mailer, tally = "https://api.mailer.example", "https://in.tally.example:8443"
    for host, path, url in (
        ("127.0.0.1:8082", b"/mailer", mailer),
        ("127.0.0.1:8082", b"/mailer/x", mailer),
        ("127.0.0.1:8082", b"/tally/x", tally),
        ("mailer.internal:8082", b"/tally/x", mailer),
    ):
        assert relay.find(host, path).url == url
    assert relay.find("127.0.0.1:8082", b"/mailerx") is None
    for path in (b"/mailer/../tally", b"/mailer/%2e%2e/tally", b"//mailer/x", b"/mailer%2fx", b"/mailer;x"):
        with pytest.raises(Unreadable):
            relay.find("127.0.0.1:8082", path)


def test_redirections_lead_home_as_the_text_says(relay):
    leads_to = partial(relay.find, "127.0.0.1:8082")
    mailer = leads_to(b"/mailer/v1/jobs")
    told = re.findall(r"`(https://api\.mailer\.example/v1/jobs/7|/v1/jobs/7|/mailer/v1/jobs/7)`", PAGE)
    assert {homeward(each.encode(), mailer, b"/mailer/v1/jobs", leads_to) for each in told[:2]} == {told[2].encode()}
