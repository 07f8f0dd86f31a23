"""The person's pages for everybody: every language, scheme and width, the keyboard alone, and no JavaScript."""

import os
from pathlib import Path

import pytest
from chromium import violations
from playwright.sync_api import expect

LANGUAGES = ("en", "de", "zh")
PAGES = ("", "/history", "/disclosures", "/receipt", "/banner?back=/")
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
}
PICTURES = os.environ.get("SCREENSHOTS", "")
"""A directory for pictures of all pages, for whoever wants to look at them."""


@pytest.fixture(scope="module")
def people(browser, showcase):
    """What the browsers remember of those who have decided something, by name."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = signed_up(browser, showcase, name)
        return known[name]

    return of


@pytest.fixture
def decided(people, request):
    """Somebody who signed up and decided this and that.

    Somebody else for each language: nobody reads pages as fast as tests do, and there is a limit to it.
    """
    return people(getattr(request, "param", "rosa"))


def signed_up(browser, showcase, name):
    context = browser.new_context()
    page = context.new_page()
    page.goto(showcase.url("/privacy"))
    page.get_by_role("button", name="Accept all").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.goto(showcase.url("/sign-up"))
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Name").fill("Rosa")
    page.get_by_label("Password").fill("a rose")
    page.get_by_label("Date of birth").fill("1913-02-04")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("button", name="Sign out Rosa")).to_be_visible()
    page.goto(showcase.url("/products/cup"))
    page.get_by_label("Card number").fill("4111 1111 1111 1111")
    page.get_by_role("button", name="Order it").click()
    page.wait_for_url("**/orders")
    page.goto(showcase.url("/privacy"))
    page.get_by_role("button", name="Withdraw everything").click()
    expect(page.get_by_role("status")).to_contain_text("Everything is withdrawn")
    page.get_by_role("group", name="Send you our newsletter").get_by_role("radio", name="Yes").check()
    page.get_by_role("button", name="Save my choice").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    state = context.storage_state()
    context.close()
    return state


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("decided", "language"), [(f"rosa-{each}", each) for each in LANGUAGES], indirect=["decided"])
def test_no_page_shuts_anybody_out(showcase, visitor, decided, look, language):
    context = visitor(storage_state=decided, **LOOKS[look])
    page = context.new_page()
    found = {}
    for path in PAGES:
        answer = page.goto(f"{showcase.url('/privacy')}{path}{'&' if '?' in path else '?'}lang={language}")
        assert answer.status == 200, path
        assert page.locator("html").get_attribute("lang").partition("-")[0] == language
        picture(page, f"{path.strip('/').partition('?')[0] or 'choices'}-{language}-{look}")
        found[path] = violations(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path
    assert found == {path: [] for path in PAGES}


@pytest.mark.parametrize("look", LOOKS)
def test_the_banner_in_a_page_shuts_nobody_out(showcase, visitor, look):
    page = visitor(**LOOKS[look]).new_page()
    page.goto(showcase.url("/"), wait_until="networkidle")
    assert page.locator("iframe").count() == 1
    picture(page, f"shop-with-banner-{look}", full_page=False)

    assert violations(page) == []


def picture(page, name, *, full_page=True):
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=full_page)


def focused(page):
    """What has the keyboard, in whichever frame."""
    script = """() => {
        const at = document.activeElement;
        if (!document.hasFocus() || !at || at === document.body || at.tagName === "IFRAME") return "";
        return at.labels?.[0]?.innerText || at.innerText || "";
    }"""
    return next(filter(None, (frame.evaluate(script) for frame in page.frames)), "").strip()


def tab_to(page, name, most=60):
    """Press Tab until `name` has the keyboard, and see that it shows."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"{name!r} cannot be reached with Tab")


def test_the_keyboard_alone_is_enough(showcase, visitor):
    page = visitor().new_page()
    page.goto(showcase.url("/"), wait_until="networkidle")

    tab_to(page, "Choose myself")
    page.keyboard.press("Enter")
    page.wait_for_url("**/privacy")
    group = page.get_by_role("group", name="See how the shop is used")
    for _ in range(60):
        page.keyboard.press("Tab")
        if group.evaluate("group => group.contains(document.activeElement)"):
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert group.get_by_role("radio", name="Yes").is_checked()
    tab_to(page, "Save my choice")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("Saved. It counts from now on.")
    assert group.get_by_role("radio", name="Yes").is_checked()
    tab_to(page, "Withdraw everything")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Everything is withdrawn")


def test_what_has_the_keyboard_shows(showcase, visitor, decided):
    page = visitor(storage_state=decided).new_page()
    page.goto(showcase.url("/privacy"))
    outlines = []
    for _ in range(25):
        page.keyboard.press("Tab")
        outlines.append(
            page.evaluate(
                """() => {
                const at = document.activeElement;
                // What is chosen with a dot in a box shows it around the box.
                const style = getComputedStyle(at.type === "radio" ? at.closest("label") : at);
                return at === document.body ? null : style.outlineStyle + " " + parseFloat(style.outlineWidth);
            }"""
            )
        )

    assert not [outline for outline in filter(None, outlines) if outline.startswith("none") or outline.endswith(" 0")]


@pytest.mark.parametrize("path", PAGES)
def test_pages_bring_nothing_from_elsewhere_and_no_script(showcase, visitor, decided, path):
    context = visitor(storage_state=decided)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))

    page.goto(showcase.url("/privacy") + path, wait_until="networkidle")

    assert asked
    assert all(url.startswith(showcase.url("/")) for url in asked)
    assert page.locator("script").count() == 0
    # A style or an image that the page's own Content-Security-Policy forbids would say so here.
    assert said == []
