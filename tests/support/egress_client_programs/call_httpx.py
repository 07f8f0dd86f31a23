"""Makes the calls that standard input lists, over one client of httpx; with `2` as argument it offers HTTP/2."""

import json
import sys

import httpx

with httpx.Client(http2=sys.argv[1:] == ["2"], timeout=20) as client:
    answers = [
        client.request(call["method"], call["url"], headers=call["headers"], content=call["body"])
        for call in json.load(sys.stdin)
    ]
json.dump(
    [
        {"status": answer.status_code, "body": answer.text, "version": answer.http_version.removeprefix("HTTP/")}
        for answer in answers
    ],
    sys.stdout,
)
