import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.html_page import HOST, HtmlStream, PageEdit, PageEditor, PageLabel, Ruling
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Posture

UTF_8 = ((b"Content-Type", b"text/html; charset=utf-8"),)
OWN = "shop.example"
KEPT = "cdn.example"


def ruling(host):
    """The page's own service has a second host, one third party is let through, and all others are held."""
    if host == "static.shop.example":
        return None
    return Ruling(host != KEPT, (0 if host == KEPT else 1,))


EDIT = PageEdit(ruling, 2, lambda _: f"held: {HOST}")


def edited(page, *, edit=EDIT, headers=UTF_8, insertion=None):
    editor = PageEditor(edit, PageLabel(OWN, headers, insertion), DEFAULT_LIMITS)
    return editor.feed(page, last=True), editor


SHOWN = (
    b"&lt;!doctype html&gt;&lt;meta name=color-scheme content=&#x27;light dark&#x27;&gt;"
    b"&lt;p role=note&gt;held: evil.example&lt;/p&gt;"
)


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        (
            b"<script src=//evil.example type=a type=b>",
            b'<script type="text/plain" data-privacy-src=//evil.example data-privacy-type=a data-privacy-type=b>',
        ),
        (b"<img src=//evil.example/a>", b"<img data-privacy-src=//evil.example/a>"),
        (b"<img src=/a src=//evil.example/a>", None),
        (b"<img src=//evil.example src=b>", b"<img data-privacy-src=//evil.example data-privacy-src=b>"),
        (b"<IMG ALT='a'SRC='//evil.example'/>", b"<IMG ALT='a'data-privacy-SRC='//evil.example'/>"),
        (b"<img/src=//evil.example>", b"<img/data-privacy-src=//evil.example>"),
        (
            b'<img src=a srcset="a 1x,//evil.example/b 2x">',
            b'<img src=a data-privacy-srcset="a 1x,//evil.example/b 2x">',
        ),
        (b"<img srcset='data:a,//evil.example 1x'>", None),
        (b"<source srcset=//evil.example>", b"<source data-privacy-srcset=//evil.example>"),
        (b"<video src=a poster=//evil.example>", b"<video src=a data-privacy-poster=//evil.example>"),
        (b"<object data=//evil.example>", b"<object data-privacy-data=//evil.example>"),
        (b"<li data=//evil.example>", None),
        (b"<input type=image src=//evil.example>", b"<input type=image data-privacy-src=//evil.example>"),
        (b"<form action=//evil.example>", b"<form data-privacy-action=//evil.example>"),
        (b"<button formaction=//evil.example>", b"<button data-privacy-formaction=//evil.example>"),
        (
            b"<a ping='/a //evil.example' href=//evil.example>",
            b"<a data-privacy-ping='/a //evil.example' href=//evil.example>",
        ),
        (b"<td background=//evil.example>", b"<td data-privacy-background=//evil.example>"),
        (b"<link rel=stylesheet href=//evil.example>", b"<link rel=stylesheet data-privacy-href=//evil.example>"),
        (b"<link rel=preconnect href=//evil.example>", b"<link rel=preconnect data-privacy-href=//evil.example>"),
        (
            b"<link rel='x DNS-prefetch' href=//evil.example>",
            b"<link rel='x DNS-prefetch' data-privacy-href=//evil.example>",
        ),
        (b"<link rel=canonical href=//evil.example>", None),
        (b"<link href=//evil.example>", None),
        (
            b"<link rel=preload as=image href=a imagesrcset='//evil.example 2x'>",
            b"<link rel=preload as=image href=a data-privacy-imagesrcset='//evil.example 2x'>",
        ),
        (
            b'<meta http-equiv=Refresh content="5; URL = //evil.example">',
            b'<meta http-equiv=Refresh data-privacy-content="5; URL = //evil.example">',
        ),
        (b"<meta http-equiv=refresh content=5>", None),
        (b"<meta name=a content=//evil.example>", None),
        (b"<svg><image href=//evil.example /></svg>", b"<svg><image data-privacy-href=//evil.example /></svg>"),
        (
            b"<svg><use xlink:href='//evil.example#a'/></svg>",
            b"<svg><use data-privacy-xlink:href='//evil.example#a'/></svg>",
        ),
        (b"<svg><a href=//evil.example></a></svg>", None),
        (
            b"<svg><script href=//evil.example /></svg>",
            b'<svg><script type="text/plain" data-privacy-href=//evil.example /></svg>',
        ),
        (
            b"<iframe src=//evil.example/x?a srcdoc=b>",
            b'<iframe srcdoc="%b" data-privacy-src=//evil.example/x?a data-privacy-srcdoc=b>' % SHOWN,
        ),
        (b"<iframe srcdoc='<p>a</p>'>", None),
        (b"<base href=//evil.example><img src=a>", b"<base data-privacy-href=//evil.example><img src=a>"),
        (b"<base href=/a/><img src=b>", None),
        (
            b"<noscript><img src=//evil.example></noscript>",
            b"<noscript><img data-privacy-src=//evil.example></noscript>",
        ),
        (b"<img src=&#47;/evil&period;example>", b"<img data-privacy-src=&#47;/evil&period;example>"),
        (b"<img src='\n//ev\til.example'>", b"<img data-privacy-src='\n//ev\til.example'>"),
        (b"<img src=http://a@[x]/>", b"<img data-privacy-src=http://a@[x]/>"),
        (b"<img src=//shop.example/a><img src=http://SHOP.example:80/>", None),
        (b"<img src=//static.shop.example/a>", None),
        (b"<img src=//cdn.example/a><script src=https://cdn.example/b></script>", None),
        (b"<script>'<img src=//evil.example>'</script><!-- <img src=//evil.example> -->", None),
    ],
)
def test_only_what_fetches_from_a_host_that_is_held_is_changed(page, wanted):
    found, _ = edited(page)

    if wanted is None:
        assert found is page
    else:
        assert found == wanted


def test_a_page_inside_of_an_attribute_is_held_as_a_whole():
    page = b"<iframe srcdoc='&lt;img src=//evil.example&gt;' title=a></iframe>"

    found, editor = edited(page)

    assert b"data-privacy-srcdoc='&lt;img" in found
    assert editor.counts == [0, 1]


def test_so_is_one_that_cannot_be_read():
    found, _ = edited(b"<iframe srcdoc='<select><style><b></style>'></iframe>")

    assert b"data-privacy-srcdoc=" in found


def test_and_one_too_deep_in_others():
    page = "<p>a</p>"
    for depth in range(7):
        quoted = page.replace("&", "&amp;").replace('"', "&quot;")
        page = f'<iframe title={depth} srcdoc="{quoted}"></iframe>'

    assert b"data-privacy-srcdoc=" in edited(page.encode())[0]


def test_relative_addresses_lead_to_the_base():
    page = b"<base href=//cdn.example/a/><img src=b><img src=//shop.example/c><base href=//evil.example>"

    found, editor = edited(page)

    assert found is page
    assert editor.counts == [2, 0]


def test_a_tag_counts_once_for_each_host():
    page = b"<img src=//evil.example/1 srcset='//evil.example/2, //worse.example/3 2x, //cdn.example/4 3x'>"

    _, editor = edited(page)

    assert editor.counts == [1, 2]
    assert editor.hosts == {("evil.example", True): 1, ("worse.example", True): 1, (KEPT, False): 1}


def test_without_changes_all_is_counted():
    page = b"<script src=//evil.example></script><base href=//evil.example><img src=a>"

    found, editor = edited(page, edit=PageEdit(ruling, 2, changes=False))

    assert found is page
    assert editor.counts == [0, 3]


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        (b"<!doctype html><p>a</body></html>", b"<!doctype html><p>a[]</body></html>"),
        (b"<html lang=de-AT><p>a</BODY></body>", b"<html lang=de-AT><p>a[de-at]</BODY></body>"),
        (b" <!-- x --><!DOCTYPE html><p>a", b" <!-- x --><!DOCTYPE html><p>a[]"),
        (b"<!doctype html><script>'</body>'</script>", b"<!doctype html><script>'</body>'</script>[]"),
        (b"<!doctype html><!-- a", b"<!doctype html><!-- a"),
        (b"<!doctype html><img alt='", b"<!doctype html><img alt='"),
        (b"<!doctype html><svg>", b"<!doctype html><svg>"),
        (b"<li>a part of a page</body>", b"<li>a part of a page</body>"),
    ],
)
def test_what_is_put_before_the_end_of_a_page(page, wanted):
    found, _ = edited(page, insertion=lambda language: b"[%b]" % language.encode())

    assert found == wanted


def test_a_charset_that_a_page_names_too_late_is_refused():
    page = b"<!doctype html>" + b" " * 5000 + b"<meta charset=iso-2022-jp>"

    assert edited(page)[0] is page
    with pytest.raises(Unreadable) as refused:
        edited(page, headers=((b"Content-Type", b"text/html"),))
    assert refused.value.posture is Posture.UNDECODABLE_CHARSET


PARTS = (
    b"<!doctype html>|<p title='a'>text|<script src=//evil.example/x>|'<img src=//evil.example>'|</script>|<!--|-->|"
    b"<img src=//cdn.example>|<img srcset='a 1x, //evil.example 2x' alt=\">\">|<iframe src=//evil.example></iframe>|"
    b"<svg>|<image href=//evil.example />|</svg>|</body>|\xe2\x82\xac|<base href=//cdn.example>|<noscript>|</noscript>"
).split(b"|")


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join), st.lists(st.integers(1, 400), max_size=6))
@settings(max_examples=300)
def test_a_page_that_flows_comes_out_as_one_that_is_held_whole(page, cuts):
    page += b" " * 4096
    try:
        whole, editor = edited(page, insertion=lambda _: b"[]")
    except Unreadable:
        return
    stream = HtmlStream(EDIT, PageLabel(OWN, UTF_8, lambda _: b"[]"), DEFAULT_LIMITS)
    cuts = sorted(cuts)
    pieces = [
        piece
        for start, end in zip([0, *cuts], [*cuts, len(page)], strict=True)
        for piece in stream.feed(page[start:end])
    ]
    pieces += stream.finish()

    assert b"".join(piece.content for piece in pieces) == whole
    counts = [piece.counts for piece in pieces if piece.counts is not None]
    assert [sum(each) for each in zip(*counts, (0, 0), strict=True)] == editor.counts


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join))
@settings(max_examples=300)
def test_an_edited_page_has_nothing_left_to_hold(page):
    try:
        first, _ = edited(page)
    except Unreadable:
        return
    second, editor = edited(first)

    assert second is first
    assert editor.counts[1] == 0
