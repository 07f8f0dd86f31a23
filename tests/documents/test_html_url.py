import pytest

from gateway.documents.html_text import charset_of, value_text
from gateway.documents.html_url import DOUBTFUL, HERE, NOWHERE, host_of
from gateway.model.errors import Unreadable
from gateway.model.words import Posture


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("//cdn.example/x", "cdn.example"),
        (r"\\cdn.example\x", "cdn.example"),
        (r"/\cdn.example", "cdn.example"),
        (" \n https:\\\\Ann:secret@CDN.example:443/x", "cdn.example"),
        ("https:/cdn.example", "cdn.example"),
        ("https:cdn.example", "cdn.example"),
        ("ht\ntps://cd\tn.example", "cdn.example"),
        ("///cdn.example", "cdn.example"),
        ("wss://cdn.example:444", "cdn.example:444"),
        ("http://cdn.example:0080", "cdn.example"),
        ("http://cdn.example:443", "cdn.example:443"),
        ("//a@b@cdn.example", "cdn.example"),
        ("//cdn.example?@other.example", "cdn.example"),
        ("//cdn.example.", "cdn.example"),
        ("//%63dn%2eexample", "cdn.example"),
        ("//ｃｄｎ。example", "cdn.example"),
        ("//c\u00addn.example", "cdn.example"),
        ("//münchen.example", "xn--mnchen-3ya.example"),
        ("//faß.example", "xn--fa-hia.example"),
        ("//0x7f.1:8000/", "127.0.0.1:8000"),
        ("//2130706433", "127.0.0.1"),
        ("//[::0:1]:80/", "[::1]"),
        ("//127.0.0.1:8081/x", "127.0.0.1:8081"),
        ("/x", HERE),
        ("x/y?//cdn.example", HERE),
        ("#//cdn.example", HERE),
        ("", HERE),
        ("data:text/plain,//cdn.example", NOWHERE),
        ("javascript:alert(1)", NOWHERE),
        ("blob:https://cdn.example/x", NOWHERE),
        ("about:blank", NOWHERE),
        ("//", DOUBTFUL),
        ("//:80/", DOUBTFUL),
        ("//a b/", DOUBTFUL),
        ("//cdn.example:70000", DOUBTFUL),
        ("//cdn.example:x", DOUBTFUL),
        ("//cdn.example%00", DOUBTFUL),
        ("//256.256.256.256", DOUBTFUL),
        ("//1.2.3.4.5", DOUBTFUL),
        ("//[::1", DOUBTFUL),
        ("//\u200b", DOUBTFUL),
        ("file:///x", DOUBTFUL),
    ],
)
def test_the_host_that_a_browser_would_ask(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"a&amp;b", "a&b"),
        (b"?a=1&copy=2", "?a=1&copy=2"),
        (b"&copy;=1", "©=1"),
        (b"&copyx", "&copyx"),
        (b"&amp", "&"),
        (b"&#47;&#x2F/", "///"),
        (b"&sol;&bsol;&Tab;&period;", "/\\\t."),
        (b"&#128;&#0;&#xD800;&#x110000;", "€\ufffd\ufffd\ufffd"),
        (b"&#" + b"9" * 6000 + b";", "\ufffd"),
        (b"a\0", "a\ufffd"),
        (b"&nosuch;", "&nosuch;"),
    ],
)
def test_the_text_of_a_value(written, text):
    assert value_text(written, "utf-8") == text


def _typed(value):
    return ((b"Content-Type", value),)


@pytest.mark.parametrize(
    ("headers", "start", "codec", "certain"),
    [
        (_typed(b"text/html; charset=UTF-8"), b"", "utf-8", True),
        (_typed(b"text/html; charset=iso-8859-1"), b"\xef\xbb\xbf", "utf-8", True),
        (_typed(b"text/html"), b"", "cp1252", False),
        (_typed(b"text/html"), b"<meta charset = 'gb2312'>", "gb18030", False),
        (_typed(b"text/html"), b'<meta content="text/html; charset=utf-8">', "utf-8", False),
    ],
)
def test_the_charset_of_a_page(headers, start, codec, certain):
    found = charset_of(headers, start)

    assert (found.codec, found.certain) == (codec, certain)


@pytest.mark.parametrize(
    ("headers", "start"),
    [
        (_typed(b"text/html; charset=utf-16"), b""),
        (_typed(b"text/html; charset=iso-2022-jp"), b""),
        (_typed(b"text/html; charset=utf-7"), b""),
        (_typed(b"text/html; charset=utf-8"), b"\xff\xfe<\0"),
        (_typed(b"text/html"), b"<title><meta charset=iso-2022-jp></title>"),
        (_typed(b"text/html"), b"\x1b$B<"),
    ],
)
def test_a_charset_in_which_tags_may_hide_is_refused(headers, start):
    with pytest.raises(Unreadable) as refused:
        charset_of(headers, start)

    assert refused.value.posture is Posture.UNDECODABLE_CHARSET
