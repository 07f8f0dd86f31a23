"""One browser for each file of tests, a context for each test, and the demo, shared by all of them."""

import pytest
from chromium import PATIENCE, launched, needed
from showcase import Showcase


@pytest.fixture(scope="module")
def browser():
    # Not for the session: Playwright keeps an event loop in this thread, where no other test could run its own.
    with launched() as browser:
        yield browser


@pytest.fixture
def visitor(browser):
    """A browser that nobody has used before; called with what else it should be, as `new_context` takes it."""
    contexts = []

    def arrive(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def showcase(tmp_path_factory):
    needed()
    with Showcase(tmp_path_factory.mktemp("showcase")) as demo:
        yield demo
