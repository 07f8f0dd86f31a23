import builtins
import shutil

import pytest
from anchored import Log
from stamping import authority

from gateway.audit.anchor_rfc3161 import Stamp
from gateway.audit.anchors import AnchorFailed, AnchorRefused, StampAnchor
from gateway.stores.keyfile import create_keys

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the tests' time stamps are made by openssl")


@pytest.fixture(scope="module")
def tsa(tmp_path_factory):
    with authority(tmp_path_factory.mktemp("tsa") / "one") as one:
        yield one


@pytest.fixture(autouse=True)
def fresh(tsa):
    tsa.queries.clear()
    tsa.answer = None


@pytest.fixture
def log(tmp_path):
    create_keys(tmp_path / "state")
    return Log(tmp_path / "state", "anchor")


def anchor(tsa, log, *, every: int = 3600, ca: str | None = None) -> Stamp:
    return Stamp(StampAnchor(tsa.url, ca or str(tsa.ca), every), log.slot)


async def test_the_signed_note_is_stamped_and_openssl_agrees(tsa, log):
    stamp = anchor(tsa, log)
    statement = log.heads()
    assert await stamp.recall(statement, []) == []
    await stamp.keep(statement)
    note, reply = (stamp.folder / f"0000000000000003.{ending}" for ending in ("note", "tsr"))
    assert note.read_text() == statement.signed.note
    assert tsa.verifies(note, reply)
    note.write_text(note.read_text().replace("3", "4"))
    assert not tsa.verifies(note, reply)


@pytest.mark.parametrize(("every", "asked"), [(3600, 1), (0, 3)])
async def test_it_is_asked_no_more_often_than_told(tsa, log, every, asked):
    stamp = anchor(tsa, log, every=every)
    for _ in range(3):
        await stamp.keep(log.heads())
    assert len(tsa.queries) == asked
    assert len(list(stamp.folder.glob("*.tsr"))) == asked


async def test_a_stamp_over_something_else_is_not_kept(tsa, log):
    stamp = anchor(tsa, log, every=0)
    await stamp.keep(log.heads())
    tsa.answer = 200, tsa.stamp(tsa.queries[-1])
    with pytest.raises(AnchorFailed, match="not good"):
        await stamp.keep(log.heads())
    assert len(list(stamp.folder.glob("*.tsr"))) == 1


async def test_a_stamp_of_an_authority_that_is_not_trusted_is_not_kept(tsa, log, tmp_path):
    with authority(tmp_path / "other") as other:
        stamp = anchor(tsa, log, ca=str(other.ca))
        with pytest.raises(AnchorFailed, match="not good"):
            await stamp.keep(log.heads())
    assert not stamp.folder.exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b""), "answers 500"),
        ((200, b""), "not good"),
        ((200, b"no DER"), "not good"),
        ((200, bytes.fromhex("30053003020102")), "not good"),  # a rejection, which holds no token
    ],
)
async def test_other_answers_are_clear_failures(tsa, log, answer, said):
    tsa.answer = answer
    with pytest.raises(AnchorFailed, match=said):
        await anchor(tsa, log).keep(log.heads())


async def test_roots_that_cannot_be_read_are_refused(tsa, log, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(AnchorRefused, match="no certificate can be read"):
        await anchor(tsa, log, ca=str(tmp_path / "ca.pem")).recall(log.heads(), [])


async def test_without_a_ca_the_systems_roots_are_trusted(tsa, log, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tsa.ca))
    stamp = Stamp(StampAnchor(tsa.url), log.slot)
    await stamp.keep(log.heads())
    assert list(stamp.folder.glob("*.tsr"))


async def test_without_any_root_it_is_refused(tsa, log, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(AnchorRefused, match="give it a `ca`"):
        await Stamp(StampAnchor(tsa.url), log.slot).recall(log.heads(), [])


async def test_without_the_extra_its_name_is_said(tsa, log, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "rfc3161_client":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AnchorRefused, match=r"privacy-gateway\[timestamp\]"):
        await anchor(tsa, log).recall(log.heads(), [])
