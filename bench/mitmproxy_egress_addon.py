"""The strip of what goes out, as a mitmproxy addon. Runs in the environment of mitmproxy: imports nothing of ours."""

import json

STRIPPED = ("email", "phone", "birth_date")


def request(flow):
    if flow.request.headers.get("content-type") == "application/json":
        document = json.loads(flow.request.content)
        for name in STRIPPED:
            document.pop(name, None)
        flow.request.content = json.dumps(document).encode()
