"""Without a browser these tests say why they do not run; CI takes no such excuse."""

from pathlib import Path

import chromium
import pytest

NOWHERE = Path("/nowhere/axe.min.js")


@pytest.fixture(params=["browser", "axe"])
def without(request, monkeypatch):
    monkeypatch.setattr(chromium, "program", lambda: "" if request.param == "browser" else "/bin/true")
    monkeypatch.setattr(chromium, "AXE", Path(__file__) if request.param == "browser" else NOWHERE)
    return {"browser": "apt-get install chromium", "axe": "npm ci --prefix tests/browser"}[request.param]


def test_skips_and_says_what_to_install(without, monkeypatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=without):
        chromium.needed()


def test_fails_in_ci(without, monkeypatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match=without):
        chromium.needed()


def test_another_browser_can_be_named(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/opt/browser")

    assert chromium.program() == "/opt/browser"
