"""docs/egress-map.md against the code: its rules compile, its bounds are the code's."""

import re
from pathlib import Path

from rulebook import compiled

from gateway.detect.forms import READ_AT_MOST
from gateway.detect.names import class_named
from gateway.engine.findings import VALUES_AT_MOST
from gateway.model.words import UnknownDestinations
from gateway.runtime.destination_map import ONE_OF
from gateway.stores.destinations import BESIDE_AT_MOST, DESTINATIONS, ROWS_AT_MOST

PAGE = (Path(__file__).parents[2] / "docs" / "egress-map.md").read_text()
ROUTES = "routes: [{name: all, match: {path: /**}, to: shop, request: {rest: pass}, response: {rest: pass}}]\n"


def test_its_rules_compile():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

    assert compiled(ROUTES + text).egress.unknown is UnknownDestinations.OBSERVE


def test_its_bounds_are_those_of_the_code():
    for bound in (VALUES_AT_MOST, READ_AT_MOST, ROWS_AT_MOST):
        assert f"{bound:,}" in PAGE
    assert f"every {ONE_OF}th" in PAGE
    assert f"more than {BESIDE_AT_MOST} beside" in PAGE
    assert DESTINATIONS in PAGE


def test_its_examples_of_names_are_known():
    found = [class_named([name]) for name in ("customerEmail", "geburtsdatum", "手机号")]

    assert found == ["user.contact.email", "user.demographic.date_of_birth", "user.contact.phone_number"]
