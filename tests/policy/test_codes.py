import re
from pathlib import Path

from gateway.policy.codes import CODES

POLICY = Path(__file__).parents[2] / "gateway" / "policy"
MANUAL = Path(__file__).parents[2] / "rules" / "README.md"


def test_every_code_is_used_by_the_source_and_no_other_is():
    texts = [path.read_text() for path in POLICY.glob("*.py") if path.name != "codes.py"]
    used = {code for text in texts for code in re.findall(r'"(PG\d{3})"', text)}

    assert used == set(CODES)


def test_the_manual_lists_every_code_with_its_help_and_severity():
    rows = dict(re.findall(r"^\| `(PG\d{3})` \| (.+) \|$", MANUAL.read_text(), re.MULTILINE))

    assert rows == {code.code: f"{code.severity} | {code.help}" for code in CODES.values()}
