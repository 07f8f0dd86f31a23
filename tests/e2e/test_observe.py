"""`serve --upstream URL`: no rules, nothing changed, and a report of what was seen."""

import signal
import subprocess
import time

from processes import CLI, Client, request
from upstream import RecordingUpstream, answer

ANSWER = answer(
    b'{ "id" : 1e400, "owner":{"email":"planted"} }', "Content-Type: application/json", 'ETag: "v1"', "X-App: 1"
)


def test_an_unmodified_conversation_and_its_outline(tmp_path):
    body = b'{"email" : "planted", "n": 12345678901234567890.10, "e":"\\u00e9"}'
    ask = request("POST", "/api/things/17?page=1", body, "Content-Type: application/json", "User-Agent: planted",
                  "Range: bytes=0-3", "Accept-Encoding: dcb")  # fmt: skip
    with RecordingUpstream(answer=ANSWER) as shop:
        command = [*CLI, "serve", "--upstream", shop.url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = process.stdout.readline().split("http://")[1]
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        client = Client(int(address.rpartition(":")[2]))
        status, head, received = client.send(ask)
        client.close()
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[0]

    assert (status, received) == (200, ANSWER.partition(b"\r\n\r\n")[2])
    assert b'ETag: "v1"\r\n' in head
    assert b"Privacy-Record" not in head
    (reached,) = shop.requests
    assert reached.body == body
    assert reached.target == b"/api/things/17?page=1"
    for field in ("User-Agent: planted", "Range: bytes=0-3", "Accept-Encoding: dcb"):
        assert field.encode() in reached.head
    assert "POST /api/things/*" in said
    for address in ("$.email", "query:page", "header:User-Agent", "$.owner.email", "header:X-App"):
        assert address in said
    assert "planted" not in said
