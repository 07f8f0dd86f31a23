"""What is not wanted any more leaves the browser with the answer to the very decision."""

import pytest
from portal_port import ROUTES, Reader, portal_port

LISTED = """
cookies:
  _ga: {is: device.cookie_id, for: analytics}
  _ga_*: {is: device.cookie_id, for: analytics}
  _ga_cart: {is: device.cookie_id, for: service}
  _ad_id: {is: device.cookie_id, for: ads}
"""
CARRIED = b"_ga=1; _ga_TEST=2; _ga_cart=3; _ad_id=4; theme=dark"
ALL = {b"_ga", b"_ga_TEST", b"_ad_id"}


class Browser(Reader):
    """One that has cookies of the application, too."""

    def fields(self, *more):
        cookies = b"; ".join(filter(None, (self.cookie, CARRIED)))
        return (*self.lines, *more, b"Cookie: " + cookies)


def deleted(answer):
    lines = [line for line in answer.all(b"set-cookie") if b"Max-Age=0" in line]
    return {line.partition(b"=")[0] for line in lines}


@pytest.mark.parametrize(
    ("answers", "gone"),
    [
        ({"do": "refuse_all"}, ALL),
        ({"do": "accept_all"}, set()),
        ({"do": "save", "choice:analytics:*": "yes", "choice:ads:*": "no"}, {b"_ad_id"}),
        ({"do": "save", "choice:ads:*": "yes"}, {b"_ga", b"_ga_TEST"}),
    ],
)
async def test_the_answer_to_a_form_deletes_what_is_not_wanted(answers, gone):
    async with portal_port(ROUTES + LISTED) as port:
        browser = Browser(port)
        answer = await browser.submit(await browser.get(), "/choices", **answers)

        assert answer.status == 303
        assert deleted(answer) == gone


async def test_so_does_the_answer_to_a_withdrawal_by_page_and_by_program():
    async with portal_port(ROUTES + LISTED) as port:
        browser = Browser(port)
        await browser.submit(await browser.get(), "/choices", do="accept_all")
        assert deleted(await browser.submit(await browser.get(), "/withdraw")) == ALL
        assert deleted(await browser.api({"withdraw": "all"})) == ALL


async def test_the_opt_out_signal_counts_here_as_everywhere():
    async with portal_port(ROUTES + LISTED) as port:
        browser = Browser(port, b"Sec-GPC: 1")
        answer = await browser.submit(await browser.get(), "/choices", do="accept_all")

        assert deleted(answer) == {b"_ad_id"}


async def test_a_page_that_is_only_read_deletes_nothing():
    async with portal_port(ROUTES + LISTED) as port:
        browser = Browser(port)

        assert deleted((await browser.get()).answer) == set()
