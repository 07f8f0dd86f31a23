import base64
import shutil
import ssl

import msgspec
import pytest
from anchored import Log
from certificates import write_certificate
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from witness import running, serving

from gateway.audit import anchor_http
from gateway.audit.anchor_log import AnchorLog
from gateway.audit.anchor_witness import Cosigner, Witness
from gateway.audit.anchors import AnchorContradicts, AnchorFailed, WitnessAnchor
from gateway.stores.keyfile import create_keys

ORIGIN = "example.org/log/anchor"


@pytest.fixture
def log(tmp_path):
    create_keys(tmp_path / "state")
    return Log(tmp_path / "state", "anchor")


@pytest.fixture
def server(tmp_path, log):
    with running(tmp_path) as one:
        one.trust(log.key.vkey)
        yield one


def client(server, log) -> Witness:
    return Witness(WitnessAnchor(server.url, server.vkey), log.slot)


async def test_each_head_is_cosigned_from_the_one_before(server, log):
    anchor = client(server, log)
    for _ in range(5):
        statement = log.heads()
        await anchor.keep(statement)
        note = anchor.path.read_text()
        assert note.startswith(statement.signed.note)
        assert server.accepts(note)
        assert "other.example" not in note
        assert server.seen(ORIGIN)[0] == statement.signed.head.size
    assert server.requests == [(0, 3), (3, 5), (5, 7), (7, 9), (9, 11)]


async def test_after_a_restart_the_size_is_asked_for_once(server, log):
    await client(server, log).keep(log.heads())
    log.heads()
    await client(server, log).keep(log.heads())
    assert server.requests == [(0, 3), (0, 7), (3, 7)]


async def test_what_is_on_disk_is_cosigned_again_at_a_start(server, log):
    await client(server, log).keep(log.heads())
    assert await client(server, log).recall(log.reader.statement(()), []) == []
    assert server.requests == [(0, 3), (0, 3), (3, 3)]


async def test_before_the_first_head_the_empty_tree_is_shown(server, log):
    present = log.reader.statement(())
    assert present.signed.head.size == 0
    await client(server, log).recall(present, [])
    await client(server, log).keep(log.heads())
    assert server.requests == [(0, 0), (0, 3)]


async def test_row_18_a_log_that_is_smaller_than_what_the_witness_saw_contradicts(server, log, tmp_path):
    log.heads()
    log.close()
    shutil.copytree(log.slot, tmp_path / "older")
    await client(server, log).keep(log.heads())
    log.close()
    shutil.rmtree(log.slot)
    with pytest.raises(AnchorContradicts, match="the witness saw 9 leaves of the anchor log, which has 0 here"):
        await client(server, log).recall(AnchorLog(log.slot, log.key, proving=True).statement(()), [])
    shutil.copytree(tmp_path / "older", log.slot)
    log.reader = AnchorLog(log.slot, log.key, proving=True)
    with pytest.raises(AnchorContradicts, match="which has 5 here"):
        await client(server, log).recall(log.reader.statement(()), [])
    # Written on, it is a fork: first of the same size, then of another.
    log.write()
    other = log.reader.statement(())
    assert other.signed.head.size == 9
    with pytest.raises(AnchorContradicts, match="another history of 9 leaves"):
        await client(server, log).keep(other)
    with pytest.raises(AnchorContradicts, match="another history of 9 leaves"):
        await client(server, log).keep(log.heads())


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"", "does not know this log"),
        (403, b"", "trusts another key for this log"),
        (400, b"", "could not read"),
        (500, b"", "answers 500"),
        (302, b"", "answers 302"),
        (409, b"soon\n", "does not say which size"),
        (409, b"0\n", "went on while it was asked"),
        (200, b"", "no good cosignature"),
        (200, b"\xff\xfe\n", "no good cosignature"),
        (200, "\u2014 witness.example/w1 AAAA\n".encode(), "no good cosignature"),
        (200, "\u2014 witness.example/w1 !!\n".encode(), "no good cosignature"),
        (200, bytes(300 * 1024), "longer than any"),
    ],
)
async def test_every_other_answer_is_a_clear_failure(server, log, status, body, said):
    server.answer = status, body
    anchor = client(server, log)
    with pytest.raises(AnchorFailed, match=said) as caught:
        await anchor.keep(log.heads())
    assert not isinstance(caught.value, AnchorContradicts)
    assert not anchor.path.exists()
    server.answer = None
    await anchor.keep(log.heads())


async def test_a_cosignature_over_another_checkpoint_or_time_is_not_good(server, log):
    statement = log.heads()
    body = statement.signed.note.partition("\n\n")[0] + "\n"
    good = server.cosign(body.encode())
    server.answer = 200, server.cosign(body.replace("\n3\n", "\n4\n").encode())
    with pytest.raises(AnchorFailed, match="no good cosignature"):
        await client(server, log).keep(statement)
    blob = bytearray(base64.b64decode(good.split(b" ")[-1]))
    blob[11] ^= 1
    server.answer = 200, f"\u2014 {server.name} {base64.b64encode(blob).decode()}\n".encode()
    with pytest.raises(AnchorFailed, match="no good cosignature"):
        await client(server, log).keep(statement)
    server.answer = 200, good
    await client(server, log).keep(statement)


async def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(server, log, tmp_path):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*write_certificate(tmp_path, "localhost"))
    with serving(server.application(), tls) as url:
        anchor = Witness(WitnessAnchor(url.replace("127.0.0.1", "localhost") + "/prefix", server.vkey), log.slot)
        with pytest.raises(AnchorFailed, match="CertificateError"):
            await anchor.keep(log.heads())
    assert server.requests == []


async def test_a_bad_proof_is_a_contradiction(server, log):
    server.answer = 422, b""
    with pytest.raises(AnchorContradicts, match="another history"):
        await client(server, log).keep(log.heads())


async def test_the_tests_witness_knows_logs_by_origin_and_key(server, log):
    anchor = client(server, log)
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    server.trust(f"{ORIGIN}+{log.key.key_id.hex()}+{base64.b64encode(b'1' + key).decode()}")
    with pytest.raises(AnchorFailed, match="trusts another key"):
        await anchor.keep(log.heads())
    server._logs.clear()
    with pytest.raises(AnchorFailed, match="does not know this log"):
        await anchor.keep(log.heads())


async def test_the_tests_witness_refuses_a_proof_that_is_not_good(server, log):
    await client(server, log).keep(log.heads())
    statement = log.heads()
    body = f"old 3\n{base64.b64encode(bytes(32)).decode()}\n\n{statement.signed.note}"
    assert server.add(body.encode())[0] == 422
    assert server.add(f"old 9\n\n{statement.signed.note}".encode())[0] == 400


async def test_a_log_whose_lines_do_not_hash_to_its_head_is_not_proved(server, log):
    await client(server, log).keep(log.heads())
    log.close()
    [body] = (log.slot / "sealed").glob("*.jsonl")
    body.with_suffix(".leaves").unlink()
    body.write_bytes(body.read_bytes().replace(b'"program":"test"', b'"program":"tost"'))
    spoiled = AnchorLog(log.slot, log.key, proving=True).statement(())
    with pytest.raises(AnchorFailed, match="audit verify"):
        await client(server, log).keep(spoiled)


async def test_leaves_files_take_the_place_of_lines(server, log):
    log.open(segment_bytes=300)
    await client(server, log).keep(log.heads())
    for _ in range(4):
        log.heads()
        log.writer.seal_finished()
    for body in sorted((log.slot / "sealed").glob("*.jsonl")):
        lines = body.read_bytes().split(b"\n")[:-1]
        body.with_suffix(".leaves").write_bytes(b"".join(_leaf(line) for line in lines))
        body.unlink()
    await client(server, log).keep(AnchorLog(log.slot, log.key, proving=True).statement(()))
    assert len(server.requests) == 3


def _leaf(line: bytes) -> bytes:
    from hashlib import sha256

    return sha256(b"\0" + line).digest()


async def test_nobody_there_is_a_failure(log, server):
    anchor = Witness(WitnessAnchor("http://127.0.0.1:9/", server.vkey), log.slot)
    with pytest.raises(AnchorFailed, match="no answer"):
        await anchor.keep(log.heads())


async def test_an_answer_that_does_not_come_is_a_failure(log, server, monkeypatch):
    monkeypatch.setattr(anchor_http, "SECONDS", 0.001)
    with pytest.raises(AnchorFailed, match="no answer"):
        await client(server, log).keep(log.heads())


def test_the_example_of_the_specification(monkeypatch):
    """C2SP tlog-cosignature: the example gives no key, so it shows only which bytes the signature is over."""
    blob = base64.b64decode(
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    assert int.from_bytes(blob[4:12], "big") == 1679315147
    signed = (
        b"cosignature/v1\ntime 1679315147\n"
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    body = signed.split(b"\n", 2)[2]
    cosigner = Cosigner(_vkey())
    seen = {}
    monkeypatch.setattr(cosigner, "_public", _Recording(seen))
    assert cosigner.accepts(body, cosigner.key_id + blob[4:])
    assert seen == {"signature": blob[12:], "message": signed}
    assert not cosigner.accepts(body, blob)
    assert not cosigner.accepts(body, cosigner.key_id + b"\x80" + bytes(71))


class _Recording:
    def __init__(self, seen: dict) -> None:
        self._seen = seen

    def verify(self, signature: bytes, message: bytes) -> None:
        self._seen.update(signature=signature, message=message)


def _vkey(kind: bytes = b"\x04", name: str = "witness.example/w1") -> str:
    from hashlib import sha256

    blob = kind + bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    Ed25519PublicKey.from_public_bytes(blob[1:])
    identifier = sha256(name.encode() + b"\n" + blob).digest()[:4].hex()
    return f"{name}+{identifier}+{base64.b64encode(blob).decode()}"


@pytest.mark.parametrize(
    ("vkey", "said"),
    [
        ("nonsense", "written name"),
        (_vkey(b"\x01"), "type 0x04"),
        (_vkey(b"\x06"), "type 0x04"),
        (_vkey().replace("w1+", "w2+"), "not the id of its key"),
        ("w1+00000000+AAA", "not valid base64"),
    ],
)
def test_only_a_cosigners_key_is_taken(vkey, said):
    with pytest.raises(ValueError, match=said):
        Cosigner(vkey)


def test_settings_survive_json():
    settings = WitnessAnchor("https://witness.example", _vkey())
    assert msgspec.json.decode(msgspec.json.encode(settings), type=WitnessAnchor) == settings
