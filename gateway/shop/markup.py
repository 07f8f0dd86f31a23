"""HTML as text: the layout that all pages share, and the pieces they are made of. Everything is escaped here."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from gateway.shop.store import Customer, Order, Product

_NAVIGATION = (("/", "Shop"), ("/orders", "Orders"), ("/profile", "Profile"), ("/newsletter", "Newsletter"))


def page(title: str, main: str, *, path: str, customer: Customer | None, analytics: str, ads: str) -> str:
    """A whole page. `main` is HTML; `analytics` and `ads` are the origins of the two third parties, or ""."""
    who = (
        f'<form method="post" action="/logout"><button class="quiet">Sign out {escape(customer.name)}</button></form>'
        if customer
        else f'<span class="who">{_link("/login", "Log in", path)} {_link("/sign-up", "Sign up", path)}</span>'
    )
    links = "".join(f"<li>{_link(href, text, path)}</li>" for href, text in _NAVIGATION)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · Ember &amp; Leaf</title>
<link rel="stylesheet" href="/static/shop.css">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<script src="/static/shop.js" defer></script>
{_script(analytics)}</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<a class="brand" href="/"><svg aria-hidden="true"><use href="/static/shapes.svg#leaf"/></svg>Ember &amp; Leaf</a>
<nav aria-label="Main"><ul>{links}</ul></nav>
{who}
</header>
<main id="main" tabindex="-1">
<h1>{escape(title)}</h1>
{main}
</main>
<footer><p>Ember &amp; Leaf is a sample shop. Nothing is sold and nothing is kept once it stops.</p></footer>
{_pixel(ads, path, customer)}</body>
</html>
"""


def _script(analytics: str) -> str:
    return f'<script src="{escape(analytics)}/tag.js" async></script>\n' if analytics else ""


def _pixel(ads: str, path: str, customer: Customer | None) -> str:
    if not ads:
        return ""
    who = f"&amp;who={quote(customer.email)}" if customer else ""
    return f'<img src="{escape(ads)}/pixel.gif?page={quote(path)}{who}" alt="" width="1" height="1">\n'


def _link(href: str, text: str, path: str) -> str:
    current = ' aria-current="page"' if href == path else ""
    return f'<a href="{href}"{current}>{text}</a>'


def notice(text: str, *, error: bool = False) -> str:
    role, kind = ("alert", "notice error") if error else ("status", "notice")
    return f'<p class="{kind}" role="{role}">{escape(text)}</p>\n'


def money(cents: int) -> str:
    return f"€{cents // 100}.{cents % 100:02d}"


def cards(products: Iterable[Product]) -> str:
    return f'<ul class="cards">{"".join(_card(product) for product in products)}</ul>'


def _card(product: Product) -> str:
    return (
        f'<li><a href="/products/{product.id}">{drawing(product)}<strong>{escape(product.name)}</strong></a>'
        f"<p>{escape(product.text)}</p><span>{money(product.price)}</span></li>\n"
    )


def drawing(product: Product) -> str:
    return (
        f'<svg class="art {product.id}" viewBox="0 0 64 64" aria-hidden="true">'
        f'<use href="/static/shapes.svg#{product.shape}"/></svg>'
    )


def form(action: str, button: str, fields: Iterable[str], *, multipart: bool = False) -> str:
    coding = ' enctype="multipart/form-data"' if multipart else ""
    return (
        f'<form class="sheet" method="post" action="{action}"{coding}>\n{"".join(fields)}'
        f'<input type="hidden" name="device_id" data-device>\n<button>{escape(button)}</button>\n</form>\n'
    )


def field(
    name: str,
    label: str,
    *,
    kind: str = "text",
    value: str = "",
    complete: str = "off",
    required: bool = False,
    hint: str = "",
) -> str:
    """A labelled input; `complete` is its autofill token (HTML, 4.10.18.7)."""
    need = " required" if required else ""
    mark = "" if required else ' <span class="optional">optional</span>'
    about = f' aria-describedby="{name}-hint"' if hint else ""
    below = f'<small id="{name}-hint">{escape(hint)}</small>' if hint else ""
    filled = f' value="{escape(value)}"' if value else ""
    return (
        f'<p><label for="{name}">{escape(label)}{mark}</label>'
        f'<input id="{name}" name="{name}" type="{kind}"{filled} autocomplete="{complete}"{need}{about}>{below}</p>\n'
    )


def orders_table(orders: Iterable[Order], *, caption: str) -> str:
    rows = "".join(_row(order) for order in orders)
    if not rows:
        return "<p>Nothing ordered yet.</p>\n"
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table><caption>'
        f'{escape(caption)}</caption><thead><tr><th scope="col">Order</th>'
        f'<th scope="col">What</th><th scope="col">Total</th></tr></thead><tbody>{rows}</tbody></table></div>\n'
    )


def _row(order: Order) -> str:
    what = ", ".join(f"{line.quantity} x {escape(line.product.name)}" for line in order.lines)
    return f'<tr><th scope="row"><code>{order.id}</code></th><td>{what}</td><td>{money(order.total)}</td></tr>\n'
