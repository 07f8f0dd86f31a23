"""What the sample shop does to a visitor with nothing before it; what the gateway is measured against."""

from chromium import violations
from showcase import cookies_of

PAGES = ("/", "/products/cup", "/sign-up", "/login", "/orders", "/newsletter")


def test_both_third_parties_are_asked_and_their_cookies_come_back_to_the_shop(showcase, visitor):
    before = {party: sum(showcase.hits(party).values()) for party in ("analytics", "ads")}
    page = visitor().new_page()

    page.goto(showcase.stage["bare_shop"], wait_until="networkidle")
    page.goto(showcase.stage["bare_shop"] + "/newsletter", wait_until="networkidle")

    asked = {party: sum(showcase.hits(party).values()) - before[party] for party in before}
    assert asked["analytics"] >= 2
    assert asked["ads"] >= 2
    assert cookies_of(showcase.received("bare_shop")[-1]).keys() >= {"_ga", "_ad_id"}


def test_axe_finds_what_is_wrong(visitor):
    page = visitor().new_page()
    page.set_content("<title>A page</title><img src='x'><p style='color: #ddd; background: #fff'>hardly to be read</p>")

    found = " ".join(violations(page))

    assert "image-alt" in found
    assert "color-contrast" in found
    assert "html-has-lang" in found


def test_its_own_pages_shut_nobody_out(showcase, visitor):
    page = visitor().new_page()
    for path in PAGES:
        page.goto(showcase.stage["bare_shop"] + path)
        assert violations(page) == [], path
