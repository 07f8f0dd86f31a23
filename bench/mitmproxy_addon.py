"""The strip as a mitmproxy addon. Runs in mitmproxy's own environment, so it imports nothing of ours."""

import json

STRIPPED = ("email", "phone", "birth_date")


def response(flow):
    if flow.response.headers.get("content-type") == "application/json":
        document = json.loads(flow.response.content)
        for name in STRIPPED:
            document.pop(name, None)
        flow.response.content = json.dumps(document).encode()
