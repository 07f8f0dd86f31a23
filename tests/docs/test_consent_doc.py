"""docs/consent.md against the code: columns, codes and statuses."""

import re
from pathlib import Path

from gateway.model.words import ConsentStatus
from gateway.stores.consent_rows import COLUMNS
from gateway.stores.dpv import STATUS_WORDS, iri_of, status_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "consent.md").read_text()


def test_every_column_is_explained_in_its_order():
    assert tuple(re.findall(r"^\| `([a-z_]+)` \| [A-Z`]", PAGE.split("## Import")[1], re.MULTILINE)) == COLUMNS


def test_every_code_is_explained():
    sources = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))

    assert sorted(set(re.findall(r"\"(CI\d{3})\"", sources))) == re.findall(r"^\| `(CI\d{3})` ", PAGE, re.MULTILINE)


def test_every_status_is_explained_with_its_word_of_dpv():
    table = PAGE.partition("| status |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `([a-z]+)` \| [^|]+ \|(?: `(\w+)` | [^`|]*)\| [^|]+ \|$", table, re.MULTILINE))

    assert sorted(rows) == sorted(STATUS_WORDS)
    for word, term in rows.items():
        assert not term or iri_of(ConsentStatus(word)) == f"https://w3id.org/dpv#{term}"
        assert status_of(word) is ConsentStatus(word)
        assert not term or {status_of(each + term) for each in ("", "dpv:", "https://w3id.org/dpv#")} == {
            status_of(word)
        }


def test_what_is_no_answer_is_no_status():
    for term in ("expired", "ConsentExpired", "ConsentRequested", "ConsentRequestDeferred", "GIVEN", "", "dpv:"):
        assert status_of(term) is None
