"""What Chromium's own parser and network make of rewritten pages: nothing that is held back is asked for."""

import json
import random

from gateway.documents.html_page import PageEdit, PageEditor, PageLabel, Ruling
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS

OWN = "shop.example"
EDIT = PageEdit(lambda host: Ruling(host != "cdn.example", (0,)), 1)
URLS = (
    "//evil.example/x",
    "https://EVIL.example/",
    r"\\\\evil.example",
    "h&Tab;ttps:/evil.example",
    "&sol;/ev&#x69;l.example",
    "http:evil.example",
    "///a@evil.example:80",
    "/own",
    "own",
    "//cdn.example/x",
    "data:,//evil.example",
    "//ev\u00adil.example",
)
_PIECES = """
<script src={q}{u}{q}></script>|<script>|</script>
<SCRIPT type=module src={q}{u}{q} async src=a></script>|<!--|-->|--!>|<!-->|<style>|</style>|<title>
</title>|<textarea>|</textarea>|<svg>|</svg>|<svg/>|<math>|</math>|<mi>|</mi>|<desc>|</desc>
<foreignObject>|</foreignObject>|<p>|</p>|<div>|</div>|<b>|</b>|<img src={q}{u}{q}>
<img alt='<script>'src={q}{u}{q}>|<img srcset='a 1x, {u} 2x'>|<![CDATA[|]]>|<select>|</select>|<option>
<template>|</template>|<noscript>|</noscript>|<iframe src={q}{u}{q}>|</iframe>
<iframe srcdoc='&lt;img src={u}>'></iframe>|<xmp>|</xmp>|<frameset>|<frame src={q}{u}{q}>
<body background={q}{u}{q}>|</body>|</html>|<table>|<td background={q}{u}{q}>|</table>
<a ping={q}{u}{q} href={u}>|</a>|text|<|</|"|'|=|/| |<?x|<!|<!doctype html>|<image href={q}{u}{q} />
<image src={q}{u}{q}>|<use href={q}{u}{q} />|<link rel=stylesheet href={q}{u}{q}>
<link href={q}{u}{q} rel=preload>|<meta http-equiv=refresh content='9;url={u}'>|<form action={q}{u}{q}>
</form>|<button formaction={q}{u}{q}>|<video poster={q}{u}{q} src={q}{u}{q}>
<object data={q}{u}{q}></object>|<embed src={q}{u}{q}>|<input type=image src={q}{u}{q}>|<audio src={u}>
<font color=red>|</br>|<annotation-xml>|<scr|ipt>|</style>|<plaintext>|<base href={u}>
"""
TAGS = [piece for line in _PIECES.split("\n") for piece in line.split("|") if piece]
JUDGE = """pages => {
  const attributes = ['src', 'srcset', 'href', 'xlink:href', 'poster', 'data', 'action', 'formaction', 'background',
                      'ping', 'imagesrcset', 'content', 'srcdoc'];
  const only = {data: 'object', action: 'form', content: 'meta'};
  const leads = (url, base) => { try { return new URL(url, base).hostname } catch { return '' } };
  const judged = (text, around, found) => {
    const page = new DOMParser().parseFromString(text, 'text/html');
    const base = page.querySelector('base[href]');
    const here = base && leads(base.getAttribute('href'), around) ? new URL(base.getAttribute('href'), around) : around;
    const walk = node => {
      for (const element of node.querySelectorAll('*')) {
        if (element instanceof HTMLTemplateElement) walk(element.content);
        for (const name of attributes) {
          if (!element.hasAttribute(name)) continue;
          const value = element.getAttribute(name), tag = element.localName;
          if (name === 'srcdoc') { if (tag === 'iframe') judged(value, here, found); continue }
          const isHtml = element instanceof HTMLElement;
          if (name.endsWith('href') && (isHtml ? tag !== 'link' : tag === 'a')) continue;
          if (name in only && only[name] !== tag) continue;
          if (name === 'content' && (element.getAttribute('http-equiv') || '').toLowerCase() !== 'refresh') continue;
          const urls = name === 'content' ? [value.replace(/^[^=]*=/, '')]
            : name === 'ping' ? value.split(/\\s+/)
            : name.endsWith('srcset') ? value.split(/,?\\s+/) : [value];
          for (const url of urls) if (leads(url, here) === 'evil.example') found.push(element.outerHTML);
        }
      }
    };
    walk(page);
    return found;
  };
  return pages.map(page => judged(page, 'http://shop.example/', []));
}"""


def pages(seed, number):
    """Pages of odd pieces as they came and as they are sent on; those that are refused are left out."""
    chance = random.Random(seed)
    found = []
    while len(found) < number:
        pieces = [
            chance.choice(TAGS).format(u=chance.choice(URLS), q=chance.choice("'\""))
            for _ in range(chance.randint(1, 14))
        ]
        page = "".join(pieces)
        label = PageLabel(OWN, ((b"Content-Type", b"text/html; charset=utf-8"),))
        try:
            new = PageEditor(EDIT, label, DEFAULT_LIMITS).feed(page.encode(), last=True).decode()
        except Unreadable:
            continue
        found.append((page, new))
    return found


def test_no_address_of_a_held_host_is_left_in_what_chromium_parses(visitor):
    page = visitor().new_page()
    given = pages(1, 2000)

    before = page.evaluate(JUDGE, [old for old, _ in given])
    after = page.evaluate(JUDGE, [new for _, new in given])

    assert sum(map(bool, before)) > len(given) / 4
    left = [(old, new, found) for (old, new), found in zip(given, after, strict=True) if found]
    assert left == [], json.dumps(left[:3], indent=1, ensure_ascii=False)


def test_chromium_asks_no_held_host_while_it_shows_such_pages(visitor):
    page = visitor().new_page()
    asked = []
    shown = []

    def answer(route):
        url = route.request.url
        if url.startswith("http://shop.example/page"):
            body = shown[-1]
            route.fulfill(body=body, headers={"Content-Type": "text/html; charset=utf-8"})
        else:
            asked.append((url, shown[-1]))
            route.abort()

    page.route("**/*", answer)
    for number, (_, new) in enumerate(pages(2, 120)):
        shown.append(new)
        page.goto(f"http://shop.example/page{number}", wait_until="commit")
        page.wait_for_load_state("load")

    assert any("shop.example" in url or "cdn.example" in url for url, _ in asked)
    assert [each for each in asked if "evil.example" in each[0]] == []
