"""Keys that change, and who vouches for what."""

import pytest
from written import Written

from gateway.audit.verify import read_trust, verify_directory
from gateway.crypto.sign import SigningKey


@pytest.fixture
def log(tmp_path):
    """Three keys over three segments: the first changes within a segment, the second at its end."""
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group().rotate(1).group().seal()
    log.open().checkpoint().rotate(2).seal()
    log.open().checkpoint().group().add("close", records=1).checkpoint().seal()
    return log


def words(log, trust=None, **options):
    options.setdefault("allow_unanchored", True)
    return verify_directory(log.slot, trust=trust and read_trust("\n".join(trust)), **options).words


def test_every_key_checks_its_part(log):
    report = verify_directory(log.slot, allow_unanchored=True)
    assert report.words == "VERIFIED"
    assert report.logs[0].vkeys == log.keys
    assert report.logs[0].vkey == log.keys[2]


@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 2), (0, 1, 2)], ids=str)
def test_trust_in_any_key_of_the_chain_is_trust_in_the_log(log, which):
    report = verify_directory(log.slot, trust=read_trust("\n".join(log.keys[n] for n in which)), allow_unanchored=True)
    assert report.words == "VERIFIED"
    for number, by in enumerate(report.logs[0].trusted_by):
        expected = "trust file" if number in which else "after it" if number < min(which) else "before it"
        assert expected in by
    (log.slot / "log.vkey").unlink()
    assert words(log, [log.keys[which[-1]]]) == "VERIFIED"


def test_a_key_that_signed_nothing_yet_vouches_for_nothing(log):
    log.open().checkpoint().rotate(3).seal()
    assert words(log, [log.keys[2]]) == "VERIFIED"
    assert words(log, [log.keys[3]]) == "TAMPERED"


def test_log_vkey_lists_the_keys_in_order(log):
    path = log.slot / "log.vkey"
    zero, one, two = log.keys
    other = SigningKey(log.origin, bytes([9]) * 32).vkey
    for keys, expected in (
        ([zero, one, two], "VERIFIED"),
        ([zero, one], "VERIFIED"),  # the writer died before it added the newest
        ([zero, one, two, other], "VERIFIED"),  # the writer died before it wrote the record
        ([zero], "TAMPERED"),
        ([one, two], "TAMPERED"),
        ([zero, two, one], "TAMPERED"),
        ([zero, other, one, two], "TAMPERED"),
        ([zero, zero, one, two], "TAMPERED"),
        ([other], "TAMPERED"),
        ([], "TAMPERED"),
    ):
        path.write_text("".join(key + "\n" for key in keys))
        assert words(log) == expected, len(keys)


def test_p5_one_bit_flipped_in_the_list_of_keys(log):
    path = log.slot / "log.vkey"
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        report = verify_directory(log.slot, allow_unanchored=True)
        assert report.words == "TAMPERED", position
        assert [finding.segment for finding in report.logs[0].findings] == ["log.vkey"]


def started(tmp_path, name="w0"):
    return Written(tmp_path / "audit" / name).open().checkpoint().group()


def test_what_follows_a_rotation_must_be_signed_by_the_new_key(tmp_path):
    log = started(tmp_path)
    old = log.key
    log.rotate(1)
    log.key = old
    log.group().seal()
    assert words(log) == "TAMPERED"


def test_an_open_record_must_name_the_key_in_force(tmp_path):
    log = started(tmp_path)
    log.seal()
    log.key = SigningKey(log.origin, bytes([1]) * 32)
    log.keys.append(log.key.vkey)
    log.publish_keys()
    log.open().checkpoint().group().seal()
    assert words(log) == "TAMPERED"
    assert words(log, log.keys) == "TAMPERED"


def test_a_key_that_was_given_up_does_not_come_back(tmp_path):
    log = started(tmp_path)
    log.rotate(1).group().rotate(0).group().seal()
    assert words(log) == "TAMPERED"


@pytest.mark.parametrize("vkey", ["", "x", None, 1, SigningKey("example.org/log/w9", bytes(32)).vkey])
def test_a_rotate_record_names_a_key_of_this_log(tmp_path, vkey):
    log = started(tmp_path)
    log.add("rotate", vkey=vkey).checkpoint().seal()
    assert words(log) == "TAMPERED"


def test_two_rotations_in_one_group(tmp_path):
    log = started(tmp_path)
    for seed in (1, 2):
        log.add("rotate", vkey=SigningKey(log.origin, bytes([seed]) * 32).vkey)
    log.checkpoint().seal()
    assert words(log) == "TAMPERED"


@pytest.mark.parametrize(
    ("kind", "values", "good"),
    [
        ("clock", {"was": "2026-11-23T12:00:00.000000Z"}, True),
        ("clock", {}, False),
        ("clock", {"was": "yesterday"}, False),
        ("disk", {"free": 0, "state": "full"}, True),
        ("disk", {"free": -1, "state": "full"}, False),
        ("disk", {"free": 1, "state": "good"}, False),
        ("disk", {"free": True, "state": "ok"}, False),
        ("erase", {"key": "ab" * 32, "by": "ann"}, True),
        ("erase", {"key": "ann@example.org"}, False),
        ("prune", {"origin": "o", "segment": "s", "first": 0, "size": 1, "root": "r", "leaves": "ab" * 32}, True),
        ("prune", {"origin": "o"}, False),
        ("heads", {"heads": []}, True),
        ("heads", {"heads": [{"origin": "o", "root": "A" * 43 + "=", "size": 0}]}, True),
        ("heads", {"heads": [{"origin": "o", "root": "A" * 43 + "=", "size": -1}]}, False),
        ("heads", {"heads": [{"origin": "o", "root": "AAAA", "size": 1}]}, False),
        ("heads", {"heads": ["o"]}, False),
        ("heads", {}, False),
    ],
)
def test_records_of_the_system_say_what_they_must(tmp_path, kind, values, good):
    log = started(tmp_path)
    log.add(kind, **values).checkpoint().seal()
    assert words(log) == ("VERIFIED" if good else "TAMPERED")
