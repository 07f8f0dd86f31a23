"""Makes the calls that standard input lists, over one session of requests; what came back goes to standard output."""

import json
import sys

import requests

with requests.Session() as session:
    answers = [
        session.request(call["method"], call["url"], headers=call["headers"], data=call["body"], timeout=20)
        for call in json.load(sys.stdin)
    ]
json.dump([{"status": answer.status_code, "body": answer.text, "version": "1.1"} for answer in answers], sys.stdout)
