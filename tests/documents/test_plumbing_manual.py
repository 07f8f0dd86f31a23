"""rules/README.md names exactly the header fields that always pass."""

import re
from pathlib import Path

from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING


def test_the_manual_lists_them_all():
    manual = (Path(__file__).parents[2] / "rules" / "README.md").read_text()
    section = manual.partition("## Header fields that always pass")[2].partition("\n## ")[0]
    lists = {
        start: set(re.findall(r"`([a-z-]+)`", section.partition(start)[2].partition("\n\n")[0]))
        for start in ("Either way:", "In requests:", "In responses:")
    }

    both = lists["Either way:"]
    assert {name.decode() for name in REQUEST_PLUMBING} == both | lists["In requests:"]
    assert {name.decode() for name in RESPONSE_PLUMBING} == both | lists["In responses:"]
