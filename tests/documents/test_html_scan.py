import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.html_scan import HtmlScanner
from gateway.model.errors import Unreadable
from gateway.model.words import Posture

MOST = 1 << 16


def scanned(text, sizes=()):
    """Names of the tags met, each with its attributes as they stand there."""
    scanner = HtmlScanner(MOST)
    found = []
    buffer = b""
    cuts = [*sizes, len(text)]
    start = 0
    for end in cuts:
        buffer += text[start:end]
        start = end
        read = scanner.scan(buffer, last=end == len(text))
        found += [
            (
                tag.name.decode(),
                *(
                    (each.name.decode(), buffer[each.value : each.end].decode("latin-1") if each.value >= 0 else None)
                    for each in tag.attributes
                ),
            )
            for tag in scanner.tags
        ]
        buffer = buffer[read:]
    return found


@pytest.mark.parametrize(
    ("page", "tags"),
    [
        (b"<script src=a></script>", [("script", ("src", "a"))]),
        (b"<SCRIPT\nSRC = 'A b'>", [("script", ("src", "A b"))]),
        (b'<img alt="<img src=x>"src=y>', [("img", ("alt", "<img src=x>"), ("src", "y"))]),
        (b"<img/src=a/b/>", [("img", ("src", "a/b/"))]),
        (b"<img src=a src=b>", [("img", ("src", "a"), ("src", "b"))]),
        (b"<img =src=a src>", [("img", ("=src", "a"), ("src", None))]),
        (b"<img src= >", [("img", ("src", None))]),
        (b"<img src", []),
        (b"<p title='<img src=x>'>text</p>", []),
        (b"<div data-src=x><a href=y>", []),
        (b"<a ping=x>", [("a", ("ping", "x"))]),
        (b"< img src=x><3<img\0src=y>", []),
        (b"<!-- <img src=x> -->", []),
        (b"<!--><img src=x>", [("img", ("src", "x"))]),
        (b"<!---><img src=x>", [("img", ("src", "x"))]),
        (b"<!-- --!><img src=x>", [("img", ("src", "x"))]),
        (b"<!-- -- ><img src=x>", []),
        (b"<!x <img src=y>", []),
        (b"<?x <img src=y>", []),
        (b"</ <img src=y>", []),
        (b"</><img src=y>", [("img", ("src", "y"))]),
        (b"<![CDATA[<img src=x>]]>", []),
        (b"<![CDATA[x><img src=x>]]>", [("img", ("src", "x"))]),
        (b"<svg><![CDATA[x><img src=x>]]></svg>", [("svg",)]),
        (b"<title><img src=x></title>", [("title",)]),
        (b"<textarea><img src=x></textarea ><img src=y>", [("textarea",), ("img", ("src", "y"))]),
        (b"<style></styles><img src=x></style>", [("style",)]),
        (b"<xmp></xmp><img src=x>", [("xmp",), ("img", ("src", "x"))]),
        (b"<plaintext></plaintext><img src=x>", [("plaintext",)]),
        (b"<iframe><img src=x></iframe>", [("iframe",)]),
        (b"<script>'<img src=x>'</script>", [("script",)]),
        (b"<script><!--<script></script><img src=x>--></script>", [("script",)]),
        (b"<script><!--</script><img src=x>", [("script",), ("img", ("src", "x"))]),
        (b"<script><!--><script></script><img src=x>", [("script",), ("img", ("src", "x"))]),
        (b"<script><!--<script>--></script><img src=x>", [("script",), ("img", ("src", "x"))]),
        (b"<script><!--<scripts></script><img src=x>", [("script",), ("img", ("src", "x"))]),
        (b"<noscript><img src=x></noscript>", [("noscript",), ("img", ("src", "x"))]),
        (b"<svg><style><img src=x></style>", [("svg",), ("style",), ("img", ("src", "x"))]),
        (b"<svg><title><style><img src=x></style></title></svg>", [("svg",), ("title",), ("style",)]),
        (b"<svg><image href=x />", [("svg",), ("image", ("href", "x"))]),
        (b"<svg/><style><img src=x>", [("svg",), ("style",)]),
        (b"<svg a=/><style><img src=x>", [("svg", ("a", "/")), ("style",), ("img", ("src", "x"))]),
        (b"<svg><p><style><img src=x>", [("svg",), ("p",), ("style",)]),
        (b"<math><mi><style><img src=x>", [("math",), ("mi",), ("style",)]),
        (b"<math><style><img src=x>", [("math",), ("style",), ("img", ("src", "x"))]),
        (b"<svg><desc><b></desc><style>x</style>", [("svg",), ("desc",), ("b",), ("style",)]),
        (b"<select><option><script>'<b>'</script></select>", [("select",), ("script",)]),
        (b"a</body>", [("/body",)]),
    ],
)
def test_finds_what_a_parser_finds(page, tags):
    assert scanned(page) == tags


@pytest.mark.parametrize(
    "page",
    [
        b"<select><style><img src=x></style>",
        b"<frameset><style><img src=x></style>",
        b"<svg><foreignObject><b></foreignObject></svg><script>'<img src=x>'</script>",
        b"</desc><![CDATA[x>]]>",
        b"<noscript><p title='</noscript><img src=x>'>",
        b"<noscript><!-- </noscript> -->",
        b"<noscript><svg></noscript>",
        b"<div><svg></div><style><!-- </style>",
    ],
)
def test_what_two_parsers_may_read_differently_is_refused(page):
    with pytest.raises(Unreadable) as refused:
        scanned(page)

    assert refused.value.posture is Posture.UNPARSABLE_BODY


def test_a_tag_over_the_limit_is_refused_and_a_long_text_is_not():
    long = b"x" * (MOST + 100)

    assert scanned(b"<p>" + long + b"<script>" + long + b"</script>", [50, MOST + 60, MOST + 120]) == [("script",)]
    assert scanned(b"<!--" + long + b"--><img src=x>", [50, MOST + 60]) == [("img", ("src", "x"))]
    with pytest.raises(Unreadable) as refused:
        scanned(b"<img alt='" + long, [MOST + 60])
    assert refused.value.posture is Posture.OVER_SIZE


PIECES = (
    b"<script>|</script>|<script src=a>|<!--|-->|--!>|<style>|</style>|<title>|</title>|<svg>|</svg>|<svg/>|<math>|"
    b"</math>|<mi>|<desc>|</desc>|<foreignObject>|</foreignObject>|<p>|</p>|<img src=x>|<img alt='<script>' src=z>|"
    b"<![CDATA[|]]>|<select>|</select>|<noscript>|</noscript>|<iframe src=q>|</iframe>|<template>|<frameset>|<a ping=h>"
    b"|text|<|</|\"|'|=|/| |<?x|<!|<!doctype html>|<image href=i>|<use href=j />|<br/>|</br>|<scr|ipt>|</body>|&lt;"
).split(b"|")
pages = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join)


@given(pages, st.lists(st.integers(0, 120), max_size=8))
@settings(max_examples=400)
def test_where_the_page_is_cut_changes_nothing(page, cuts):
    cuts = sorted(cut for cut in cuts if cut < len(page))

    assert _outcome(page, cuts) == _outcome(page, ())


def _outcome(page, cuts):
    try:
        return scanned(page, cuts)
    except Unreadable as doubt:
        return doubt.posture
