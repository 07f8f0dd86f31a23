"""Row 27: every recorded answer carries a receipt, and each can be proven later, on another machine."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream, answer

from gateway.audit.verify_report import Verdict

ROUTES = """
routes:
  - name: profile
    match: {method: GET, path: /profile}
    to: shop
    request: {rest: drop}
    response:
      fields:
        $.email: {is: contact.email, for: service}
      rest: drop
  - name: plain
    match: {method: GET, path: /plain}
    to: shop
    request: {rest: drop}
    response: {rest: pass}
"""
FORGED = "Disclosure-Receipt: shop:1:AAAA"
ANSWER = answer(b'{"email":"ann@example.com"}', "Content-Type: application/json", FORGED)
_RECEIPT = re.compile(rb"Disclosure-Receipt: (\S+:\d+:[A-Za-z0-9+/]{43}=)\r\n")


class ReceiptsGateway(GatewayProcess):
    """`serve -c` with or without receipts."""

    def __init__(self, directory: Path, upstream: str, ledger: str, *, workers: int = 1) -> None:
        super().__init__(directory, rules(ROUTES, upstream))
        file = directory / "gateway.yaml"
        file.write_text(
            "version: 1\nlisteners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\nrules: rules\nstate: state\n"
            f"workers: {workers}\nledger: {ledger}\n"
        )
        self._arguments = ["serve", "--json", "-c", file]


def ask(port: int, times: int) -> list[bytes]:
    client = Client(port)
    heads = [client.send(request("GET", "/profile"))[1] for _ in range(times)]
    client.close()
    return heads


@pytest.fixture
def shop():
    with RecordingUpstream(answer=ANSWER) as server:
        yield server


def test_row_27_p2_every_answer_has_a_receipt_that_is_proven_elsewhere(tmp_path, shop):
    with ReceiptsGateway(tmp_path, shop.url, "{receipts: true}", workers=2) as gateway:
        with ThreadPoolExecutor(8) as pool:
            heads = [head for part in pool.map(lambda _: ask(gateway.port, 25), range(8)) for head in part]
        _, plain, _ = (client := Client(gateway.port)).send(request("GET", "/plain"))
        client.close()
    receipts = [_RECEIPT.search(head)[1].decode() for head in heads]

    assert len(set(receipts)) == len(heads) == 200
    assert b"Disclosure-Receipt" not in plain
    assert all(head.count(b"Disclosure-Receipt") == 1 for head in heads)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(gateway.state / "audit", elsewhere / "audit")
    everything = tmp_path / "receipts"
    everything.write_text("\n".join(receipts))
    found = json.loads(cli("audit", "verify", elsewhere, "--since", everything, "--json", check=False).stdout)
    logs = {Path(log["slot"]).name: (Verdict(log["verdict"]), log["pins"]) for log in found["logs"]}
    assert (logs["w0"][0], logs["w1"][0]) == (Verdict.VERIFIED, Verdict.VERIFIED)
    assert logs["w0"][1] + logs["w1"][1] == 200
    assert logs["anchor"][0] is Verdict.UNANCHORED  # no receipt speaks of it
    for number, receipt in enumerate(receipts[::40]):
        proof = tmp_path / f"{number}.tlog-proof"
        cli("audit", "prove", "--state", elsewhere, "--receipt", receipt, "--output", proof)
        slot = receipt.split(":")[0].rpartition("/")[2]
        trust = gateway.state / "audit" / slot / "log.vkey"
        cli("audit", "check-proof", proof, "--trust", trust, "--receipt", receipt)


def test_a_receipt_that_is_missing_from_the_log_tells_that_it_was_rolled_back(tmp_path, shop):
    with ReceiptsGateway(tmp_path, shop.url, "{receipts: true}") as gateway:
        ask(gateway.port, 3)
    shutil.copytree(gateway.state / "audit", tmp_path / "older")
    with gateway:
        (head,) = ask(gateway.port, 1)
    receipts = tmp_path / "receipts"
    receipts.write_bytes(_RECEIPT.search(head)[1])

    verdict = cli("audit", "verify", tmp_path / "older", "--since", receipts, check=False)
    assert (verdict.returncode, "ROLLED BACK" in verdict.stdout) == (11, True)


@pytest.mark.parametrize(
    "ledger", ["{receipts: false}", "{}", "{receipts: true, durability: interval, interval_ms: 5}"]
)
def test_without_receipts_or_before_the_record_is_durable_there_is_none(tmp_path, shop, ledger):
    with ReceiptsGateway(tmp_path, shop.url, ledger) as gateway:
        heads = ask(gateway.port, 3)
    assert b"Privacy-Record" in heads[0]
    assert not any(b"Disclosure-Receipt" in head for head in heads)
