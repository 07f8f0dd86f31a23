"""What a visitor's browser asks of whom, before an answer, after it, and after it was taken back."""

import pytest
from playwright.sync_api import expect
from showcase import Count, cookies_of, trackers

PAGES = ("/", "/products/cup", "/newsletter")
TITLES = {"analytics": "See how the shop is used", "ads": "Show you offers that fit you"}


def visit(showcase, page, *paths):
    """Open the pages one after the other, each until nothing more is loaded; the cookies that the shop got."""
    cookies = set()
    for path in paths:
        page.goto(showcase.url(path), wait_until="networkidle")
        cookies |= cookies_of(showcase.received()[-1]).keys()
    return cookies


def kept(context):
    return {cookie["name"] for cookie in context.cookies()}


def accept(showcase, page, purpose):
    page.goto(showcase.url("/privacy"))
    page.get_by_role("group", name=TITLES[purpose]).get_by_role("radio", name="Yes").check()
    page.get_by_role("button", name="Save my choice").click()
    expect(page.get_by_role("status")).to_have_text("Saved. It counts from now on.")


@pytest.mark.parametrize("scripts", [True, False])
def test_before_an_answer_nobody_else_is_asked_and_nothing_recognises_the_visitor(showcase, visitor, scripts):
    count = Count(showcase)
    context = visitor(java_script_enabled=scripts)
    page = context.new_page()
    asked = []
    context.on("request", lambda request: asked.append(request.url))

    sent = visit(showcase, page, *PAGES, *PAGES)

    assert count.news() == {"analytics": 0, "ads": 0}
    assert asked
    assert not [url for url in asked if ".localhost" in url]
    assert trackers(sent) == set()
    assert trackers(kept(context)) == set()


@pytest.mark.parametrize(
    ("purpose", "scripts", "recognised"),
    [
        ("analytics", True, {"_ga", "_ga_EMBER"}),
        ("analytics", False, {"_ga"}),
        ("ads", True, {"_ad_id"}),
        ("ads", False, {"_ad_id"}),
    ],
)
def test_one_purpose_brings_just_that_one_and_withdrawing_takes_it_away(
    showcase, visitor, purpose, scripts, recognised
):
    count = Count(showcase)
    context = visitor(java_script_enabled=scripts)
    page = context.new_page()

    visit(showcase, page, "/")
    accept(showcase, page, purpose)
    sent = visit(showcase, page, *PAGES)

    news = count.news()
    # Analytics is a script: without JavaScript a browser has no use for it.
    assert bool(news.pop(purpose)) == (scripts or purpose == "ads")
    assert set(news.values()) == {0}
    assert trackers(sent) == recognised
    assert trackers(kept(context)) == recognised

    page.goto(showcase.url("/privacy"))
    page.get_by_role("button", name="Withdraw everything").click()
    expect(page.get_by_role("status")).to_contain_text("Everything is withdrawn")
    assert trackers(kept(context)) == set()
    sent = visit(showcase, page, *PAGES)

    assert count.news() == {"analytics": 0, "ads": 0}
    assert trackers(sent) == set()
    assert trackers(kept(context)) == set()


def test_a_cookie_that_a_script_wrote_before_the_gateway_came_never_reaches_the_shop(showcase, visitor):
    context = visitor()
    place = {"url": showcase.url("/"), "value": "GS2.1.old"}
    context.add_cookies([{"name": name, **place} for name in ("_ga", "_ga_EMBER", "_ad_id")])

    sent = visit(showcase, context.new_page(), *PAGES)

    assert trackers(sent) == set()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(("answer", "asked"), [("Refuse all", False), ("Accept all", True)])
def test_the_banner_is_answered_with_one_click_and_goes(showcase, visitor, scripts, answer, asked):
    count = Count(showcase)
    page = visitor(java_script_enabled=scripts).new_page()
    visit(showcase, page, "/products/cup")
    banner = page.frame_locator("iframe[src^='/privacy/banner']")

    banner.get_by_role("button", name=answer).click()
    expect(page.locator("iframe")).to_have_count(0)
    page.wait_for_load_state("networkidle")

    assert page.url == showcase.url("/products/cup")
    assert count.news() == {"analytics": 2 if asked and scripts else 0, "ads": 1 if asked else 0}


def test_a_decision_is_one_browsers_own(showcase, visitor):
    one, other = visitor().new_page(), visitor().new_page()
    visit(showcase, one, "/")
    accept(showcase, one, "ads")
    count = Count(showcase)

    visit(showcase, other, "/")
    assert count.news()["ads"] == 0
    visit(showcase, one, "/")
    assert count.news()["ads"] == 1


def test_the_opt_out_signal_stands_above_consent(showcase, visitor):
    context = visitor(extra_http_headers={"Sec-GPC": "1"})
    page = context.new_page()
    count = Count(showcase)
    page.goto(showcase.url("/privacy"))
    page.get_by_role("button", name="Accept all").click()
    expect(page.get_by_role("status")).to_have_text("Saved. It counts from now on.")

    sent = visit(showcase, page, *PAGES)

    news = count.news()
    assert news["ads"] == 0
    assert news["analytics"] > 0
    assert trackers(sent) == {"_ga", "_ga_EMBER"}
    page.goto(showcase.url("/privacy"))
    signal = page.get_by_role("region", name="Your opt-out signal is honoured")
    assert TITLES["ads"] in signal.inner_text()
    assert TITLES["analytics"] not in signal.inner_text()
    assert (
        "because your browser sends Global Privacy Control"
        in page.get_by_role("group", name=TITLES["ads"]).inner_text()
    )


def test_somebody_who_sends_no_signal_is_told_so(showcase, visitor):
    page = visitor().new_page()
    page.goto(showcase.url("/privacy"))

    expect(page.get_by_text("sends no opt-out signal")).to_be_visible()
    expect(page.get_by_role("region", name="Your opt-out signal is honoured")).to_have_count(0)
