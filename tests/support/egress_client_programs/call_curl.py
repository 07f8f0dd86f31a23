"""Makes the calls that standard input lists, each with a curl of its own; what came back goes to standard output."""

import json
import subprocess
import sys

answers = []
for call in json.load(sys.stdin):
    command = ["curl", "-sS", "--max-time", "20", "-X", call["method"], "-w", "\n%{http_code} %{http_version}"]
    command += [word for name, value in call["headers"].items() for word in ("-H", f"{name}: {value}")]
    command += ["--data-binary", call["body"]] if call["body"] else []
    done = subprocess.run([*command, call["url"]], capture_output=True, text=True, check=True)
    body, _, written = done.stdout.rpartition("\n")
    status, version = written.split()
    answers.append({"status": int(status), "body": body, "version": version})
json.dump(answers, sys.stdout)
