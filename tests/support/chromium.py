"""Chromium of this machine, driven by Playwright, and axe-core, which finds what shuts people out of a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(os.environ.get("AXE_CORE") or Path(__file__).parents[1] / "browser/node_modules/axe-core/axe.min.js")
PATIENCE = 10_000
"""Milliseconds that a page may take; far more than any needs."""


def program() -> str:
    """The browser's path; "" where none is installed. `CHROMIUM` names another one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), "")


def missing() -> str:
    """What is not installed and how to get it; "" where nothing is missing."""
    if not program():
        return "Chromium is not installed (Debian: apt-get install chromium; or CHROMIUM=/path/to/it)"
    if not AXE.is_file():
        return "axe-core is not installed (npm ci --prefix tests/browser; or AXE_CORE=/path/to/axe.min.js)"
    return ""


def needed() -> None:
    """Skip the test where something is missing; in CI, fail it."""
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"CI runs these tests: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window, until the block ends."""
    needed()
    # Chromium's sandbox refuses to work for root, which is who tests run as in containers.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is shown now: rule, place, and why."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], iframes: false})")
    return [
        f"{violation['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
