import ipaddress
from pathlib import Path

from gateway.ingress.port import forwarding, upstream_tls
from gateway.runtime.reload import load_directory
from gateway.runtime.settings import Forwarded, Settings, UpstreamTls
from gateway.upstream.hops import ForwardedFields, ForwardedMode, Forwarding

RULES = """\
version: 1
recipients:
  shop: {role: controller, upstream: "https://shop.example"}
routes:
  - {name: all, match: {path: /**}, to: shop, response: {rest: pass}}
"""


def test_settings_become_the_words_of_the_ingress():
    network = ipaddress.ip_network("10.0.0.0/8")
    assert forwarding(Forwarded("append", ("10.0.0.0/8",), "x_forwarded", hide_client=True)) == Forwarding(
        mode=ForwardedMode.APPEND, fields=ForwardedFields.X_FORWARDED, trusted=(network,), hide_client=True
    )
    assert forwarding(Forwarded()) == Forwarding()


def test_tls_files_are_found_by_the_url_of_their_recipient(tmp_path):
    (tmp_path / "shop.yaml").write_text(RULES)
    policy, _ = load_directory(tmp_path)
    settings = Settings(listeners=(), state="/s", upstream_tls={"shop": UpstreamTls(ca="/ca.pem")})
    found = upstream_tls(settings, policy)
    assert {url: (files.ca, files.certificate) for url, files in found.items()} == {
        "https://shop.example": (Path("/ca.pem"), None)
    }
