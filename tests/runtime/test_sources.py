import pytest

from gateway.model.errors import ConfigError
from gateway.runtime.reload import load_directory
from gateway.runtime.settings_file import load_settings
from gateway.runtime.sources import Sources

SETTINGS = "version: 1\nlisteners: [{address: 127.0.0.1:8080}]\nrules: rules\nstate: state\n"
RULES = """\
version: 1
recipients:
  shop: {role: controller, upstream: "https://shop.example"}
  copy: {role: processor, upstream: "https://shop.example"}
  plain: {role: processor, upstream: "http://plain.example"}
routes:
  - name: all
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES)
    (tmp_path / "gateway.yaml").write_text(SETTINGS)
    return tmp_path


def in_force(place):
    return load_settings(place / "gateway.yaml")[0], load_directory(place / "rules")[0]


def test_what_is_on_disk_takes_the_place_of_what_is_in_force(place):
    before = in_force(place)
    (place / "gateway.yaml").write_text(SETTINGS + "workers: 3\nadmin: 127.0.0.1:9100\n")
    (place / "rules" / "shop.yaml").write_text(RULES + "# more\n")
    settings, policy, _ = Sources(place / "gateway.yaml").read(*before)
    assert (settings.workers, before[0].workers) == (3, 1)
    assert policy.digest != before[1].digest


def test_without_a_file_only_the_rules_are_read(place):
    settings, policy = in_force(place)
    (place / "gateway.yaml").unlink()
    (place / "rules" / "shop.yaml").write_text(RULES + "# more\n")
    found, changed, _ = Sources(None).read(settings, policy)
    assert found is settings
    assert changed.digest != policy.digest


@pytest.mark.parametrize("line", ["admin: 127.0.0.1:9200", "deployment: other"])
def test_what_cannot_change_is_refused(place, line):
    before = in_force(place)
    (place / "gateway.yaml").write_text(SETTINGS + line + "\n")
    with pytest.raises(ConfigError) as caught:
        Sources(place / "gateway.yaml").read(*before)
    assert [found.code for found in caught.value.diagnostics] == ["PG917"]


@pytest.mark.parametrize(
    ("tls", "codes"),
    [
        ("{shop: {}, copy: {}}", []),
        ("{nobody: {}}", ["PG920"]),
        ("{plain: {}}", ["PG920"]),
        ("{shop: {}, copy: {ca: ca.pem}}", ["PG915"]),
    ],
)
def test_tls_files_have_to_fit_the_recipients(place, tls, codes):
    before = in_force(place)
    (place / "gateway.yaml").write_text(SETTINGS + f"upstream_tls: {tls}\n")
    try:
        Sources(place / "gateway.yaml").read(*before)
        found = []
    except ConfigError as error:
        found = [each.code for each in error.diagnostics if each.code.startswith("PG9")]
    assert found == codes


def test_two_recipients_with_one_upstream_have_one_identity(place):
    settings, policy = in_force(place)
    import msgspec

    from gateway.runtime.settings import UpstreamTls
    from gateway.runtime.settings_file import check_recipients

    files = {"shop": UpstreamTls(), "copy": UpstreamTls(ca="/ca.pem")}
    found = check_recipients(msgspec.structs.replace(settings, upstream_tls=files), policy, "gateway.yaml")
    assert [each.code for each in found] == ["PG921"]


@pytest.mark.parametrize("name", ["gateway.yaml", "rules/shop.yaml", "rules/new.yaml"])
def test_a_change_of_any_source_is_seen(place, name):
    sources = Sources(place / "gateway.yaml")
    settings, _ = in_force(place)
    before = sources.fingerprint(settings)
    with (place / name).open("a") as stream:
        stream.write("# changed\n")
    assert sources.fingerprint(settings) != before
