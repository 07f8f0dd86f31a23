import os
import stat

import msgspec
import pytest
from rulebook import SIGN_UP_RULES

from gateway.model.errors import ConfigError, Severity, StoreDown
from gateway.runtime.reload import (
    RULE_FILE_LIMIT,
    fingerprint,
    keep_policy,
    load_directory,
    load_kept,
    read_rules,
    rule_paths,
    today,
)


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SIGN_UP_RULES)
    return folder


def test_a_directory_is_read_whole_by_relative_names(rules):
    (rules / "parts").mkdir()
    (rules / "parts" / "more.yaml").write_text("version: 1\n")
    for ignored in ("shop.cases.yaml", "notes.txt", ".hidden.yaml", "gateway.yml"):
        (rules / ignored).write_text("not a rule file")
    (rules / ".git").mkdir()
    (rules / ".git" / "x.yaml").write_text("not a rule file")
    files, diagnostics = read_rules(rules)
    assert diagnostics == []
    assert files == {"shop.yaml": SIGN_UP_RULES, "parts/more.yaml": "version: 1\n"}


def test_every_file_that_cannot_be_read_is_named(rules):
    (rules / "latin.yaml").write_bytes(b"title: caf\xe9\n")
    with (rules / "long.yaml").open("wb") as stream:
        stream.truncate(RULE_FILE_LIMIT + 1)
    (rules / "dangling.yaml").symlink_to("nowhere")
    files, diagnostics = read_rules(rules)
    assert list(files) == ["shop.yaml"]
    assert [(found.file, found.code) for found in diagnostics] == [
        ("dangling.yaml", "PG901"),
        ("latin.yaml", "PG902"),
        ("long.yaml", "PG902"),
    ]


@pytest.mark.parametrize(("name", "code"), [("nowhere", "PG901"), ("empty", "PG903")])
def test_a_directory_without_rules_is_an_error(tmp_path, name, code):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        load_directory(tmp_path / name)
    assert [found.code for found in caught.value.diagnostics] == [code]


def test_a_good_directory_gives_its_policy(rules):
    policy, diagnostics = load_directory(rules)
    assert [route.name for route in policy.routes] == ["sign-up"]
    assert policy.files == {"shop.yaml": SIGN_UP_RULES}
    assert not any(found.severity is Severity.ERROR for found in diagnostics)


def test_rules_with_a_mistake_are_refused_with_their_diagnostics(rules):
    (rules / "shop.yaml").write_text(SIGN_UP_RULES.replace("for: service", "for: servise"))
    with pytest.raises(ConfigError) as caught:
        load_directory(rules)
    assert "PG201" in [found.code for found in caught.value.diagnostics]


def test_a_policy_is_kept_once_for_its_owner_only_and_comes_back_equal(rules, tmp_path):
    policy, _ = load_directory(rules)
    path = keep_policy(tmp_path, policy)
    assert path == tmp_path / "policies" / f"{policy.digest}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    first = path.stat()
    assert keep_policy(tmp_path, policy) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert list(path.parent.iterdir()) == [path]
    assert msgspec.json.decode(path.read_bytes())["files"] == {"shop.yaml": SIGN_UP_RULES}
    again = load_kept(tmp_path, policy.digest, today())
    assert (again.digest, again.files) == (policy.digest, policy.files)


def test_a_kept_policy_that_was_changed_is_never_used(rules, tmp_path):
    policy, _ = load_directory(rules)
    path = keep_policy(tmp_path, policy)
    path.write_bytes(path.read_bytes().replace(b"rest: drop", b"rest: pass"))
    with pytest.raises(StoreDown):
        load_kept(tmp_path, policy.digest, today())
    with pytest.raises(StoreDown):
        keep_policy(tmp_path, policy)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"digest":"x","files":{},"more":1}'])
def test_a_kept_policy_that_is_none_is_a_store_failure(tmp_path, content):
    (tmp_path / "policies").mkdir()
    if content is not None:
        (tmp_path / "policies" / "x.json").write_bytes(content)
    with pytest.raises(StoreDown):
        load_kept(tmp_path, "x", today())


def test_a_state_directory_that_cannot_be_written_is_a_store_failure(rules, tmp_path):
    policy, _ = load_directory(rules)
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StoreDown):
        keep_policy(tmp_path / "file", policy)


def change_text(rules):
    (rules / "shop.yaml").write_text(SIGN_UP_RULES + "# more\n")


def change_time(rules):
    os.utime(rules / "shop.yaml", ns=(1, 1))


def replace_by_equal(rules):
    status = (rules / "shop.yaml").stat()
    (rules / "new").write_text(SIGN_UP_RULES)
    os.utime(rules / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (rules / "new").rename(rules / "shop.yaml")


def add_file(rules):
    (rules / "b.yaml").write_text("version: 1\n")


def remove_file(rules):
    (rules / "shop.yaml").unlink()


def remove_directory(rules):
    rules.rename(rules.parent / "gone")


@pytest.mark.parametrize(
    "change", [change_text, change_time, replace_by_equal, add_file, remove_file, remove_directory]
)
def test_a_change_changes_the_fingerprint(rules, change):
    before = fingerprint([rules])
    change(rules)
    assert fingerprint([rules]) != before


def test_what_is_no_rule_does_not_change_the_fingerprint(rules):
    before = fingerprint([rules, rules / "nowhere"])
    (rules / "notes.txt").write_text("x")
    (rules / "shop.cases.yaml").write_text("x")
    assert fingerprint([rules, rules / "nowhere"]) == before


def test_rule_paths_of_no_directory_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        rule_paths(tmp_path / "nowhere")
