"""The pages and the plain HTML forms behind them; everything works without JavaScript."""

import secrets
from collections.abc import Mapping

from aiohttp import web

from gateway.shop import api, markup
from gateway.shop.session import STORE, customer_of, sign_in, sign_out, signed_in
from gateway.shop.store import PRODUCTS

ANALYTICS: web.AppKey[str] = web.AppKey("analytics", str)
ADS: web.AppKey[str] = web.AppKey("ads", str)

_YEAR = 365 * 86400
_ABOUT_YOU = (
    markup.field("birth_date", "Date of birth", kind="date", complete="bday", hint="For birthday offers."),
    markup.field("phone", "Telephone", kind="tel", complete="tel"),
    markup.field("address", "Address", complete="street-address"),
)


def _page(request: web.Request, title: str, main: str, *, status: int = 200) -> web.Response:
    """Any page also gives the browser two identifiers, as tag managers do."""
    html = markup.page(
        title,
        main,
        path=request.path,
        customer=customer_of(request),
        analytics=request.app[ANALYTICS],
        ads=request.app[ADS],
    )
    response = web.Response(text=html, content_type="text/html", status=status)
    if "_ga" not in request.cookies:
        number = f"GA1.1.{secrets.randbelow(10**9)}.{secrets.randbelow(10**9)}"
        response.set_cookie("_ga", number, max_age=2 * _YEAR, samesite="Lax")
    if "_ad_id" not in request.cookies:
        response.set_cookie("_ad_id", secrets.token_hex(8), max_age=_YEAR, samesite="Lax")
    return response


async def home(request: web.Request) -> web.Response:
    lead = '<p class="lead">Stoneware and tea, made in small batches.</p>\n<p data-greeting></p>\n'
    return _page(request, "Pots, cups and tea", lead + markup.cards(PRODUCTS.values()))


async def product(request: web.Request) -> web.Response:
    item = PRODUCTS.get(request.match_info["id"])
    if item is None:
        return _page(request, "Not found", markup.notice("There is no such product.", error=True), status=404)
    quantity = markup.field("quantity", "How many", kind="number", value="1", required=True)
    note = markup.field("note", "Note to us")
    card = markup.field("card", "Card number", complete="cc-number", hint="We keep the last four digits.")
    hidden = f'<input type="hidden" name="product" value="{item.id}">\n'
    text = f'<div class="product">{markup.drawing(item)}<div><p class="lead">{item.text}</p>'
    price = f'<p class="price">{markup.money(item.price)}</p>'
    form = markup.form("/orders", "Order it", (hidden, quantity, card, note))
    return _page(request, item.name, f"{text}{price}{form}</div></div>")


async def sign_up_form(request: web.Request) -> web.Response:
    return _page(request, "Sign up", _sign_up())


def _sign_up() -> str:
    return markup.form(
        "/sign-up",
        "Create account",
        (
            markup.field("email", "E-mail", kind="email", complete="email", required=True),
            markup.field("name", "Name", complete="name", required=True),
            markup.field("password", "Password", kind="password", complete="new-password", required=True),
            *_ABOUT_YOU,
        ),
    )


async def sign_up(request: web.Request) -> web.Response:
    try:
        customer = api.register(request, await _form(request))
    except (web.HTTPConflict, web.HTTPUnprocessableEntity) as problem:
        message = (
            "That address already has an account." if problem.status == 409 else "Please fill in all that is asked."
        )
        return _page(request, "Sign up", markup.notice(message, error=True) + _sign_up(), status=problem.status)
    answer = _see_other("/")
    sign_in(request, answer, customer)
    return answer


async def log_in_form(request: web.Request) -> web.Response:
    return _page(request, "Log in", _log_in())


def _log_in() -> str:
    email = markup.field("email", "E-mail", kind="email", complete="username", required=True)
    password = markup.field("password", "Password", kind="password", complete="current-password", required=True)
    return markup.form("/login", "Log in", (email, password))


async def log_in(request: web.Request) -> web.Response:
    data = await _form(request)
    customer = request.app[STORE].authenticate(api.text(data, "email"), api.text(data, "password"))
    if customer is None:
        message = markup.notice("E-mail or password is wrong.", error=True)
        return _page(request, "Log in", message + _log_in(), status=401)
    answer = _see_other("/")
    sign_in(request, answer, customer)
    return answer


async def log_out(request: web.Request) -> web.Response:
    answer = _see_other("/")
    sign_out(request, answer)
    return answer


async def orders(request: web.Request) -> web.Response:
    customer = customer_of(request)
    own = markup.orders_table(request.app[STORE].orders_of(customer), caption="Your orders") if customer else ""
    others = markup.orders_table(list(request.app[STORE].orders())[:10], caption="Ordered lately")
    return _page(request, "Orders", own + others)


async def add_order(request: web.Request) -> web.Response:
    customer = customer_of(request)
    if customer is None:
        return _see_other("/login")
    data = dict(await _form(request))
    quantity = api.text(data, "quantity")
    data["items"] = [{"product": data.get("product"), "quantity": int(quantity) if quantity.isdecimal() else 0}]
    try:
        api.place_order(request.app[STORE], customer, data)
    except web.HTTPUnprocessableEntity:
        return _page(request, "Order", markup.notice("That cannot be ordered.", error=True), status=422)
    return _see_other("/orders")


async def profile(request: web.Request) -> web.Response:
    customer = customer_of(request)
    if customer is None:
        return _see_other("/login")
    person = markup.form(
        "/profile",
        "Save",
        (
            markup.field("name", "Name", complete="name", value=customer.name, required=True),
            markup.field("birth_date", "Date of birth", kind="date", complete="bday", value=customer.birth_date),
            markup.field("phone", "Telephone", kind="tel", complete="tel", value=customer.phone),
            markup.field("address", "Address", complete="street-address", value=customer.address),
        ),
    )
    picture = markup.form(
        "/profile/avatar",
        "Upload",
        (markup.field("avatar", "Picture", kind="file", required=True), markup.field("caption", "Caption")),
        multipart=True,
    )
    shown = '<img class="avatar" src="/profile/avatar" alt="Your picture">' if customer.avatar else ""
    return _page(request, "Profile", f"{person}<h2>Picture</h2>{shown}{picture}")


async def save_profile(request: web.Request) -> web.Response:
    api.change(signed_in(request), await _form(request))
    return _see_other("/profile")


async def upload_avatar(request: web.Request) -> web.Response:
    await api.take_avatar(request, signed_in(request))
    return _see_other("/profile")


async def show_avatar(request: web.Request) -> web.Response:
    customer = signed_in(request)
    safe = customer.avatar_type if customer.avatar_type in ("image/png", "image/jpeg", "image/webp") else None
    return web.Response(
        body=customer.avatar,
        headers={"Content-Type": safe or "application/octet-stream", "X-Content-Type-Options": "nosniff"},
    )


async def newsletter_form(request: web.Request) -> web.Response:
    return _page(request, "Newsletter", _newsletter())


def _newsletter() -> str:
    return markup.form(
        "/newsletter",
        "Subscribe",
        (
            markup.field("email", "E-mail", kind="email", complete="email", required=True),
            markup.field("name", "Name", complete="name"),
            *_ABOUT_YOU,
        ),
    )


async def subscribe(request: web.Request) -> web.Response:
    data = await _form(request)
    email = api.text(data, "email")
    if not api.EMAIL.fullmatch(email):
        message = markup.notice("That is no e-mail address.", error=True)
        return _page(request, "Newsletter", message + _newsletter(), status=422)
    request.app[STORE].subscribe(email, {key: api.text(data, key) for key in ("name", *api.DETAILS)})
    return _page(request, "Newsletter", markup.notice(f"Thank you. News will go to {email}."))


async def _form(request: web.Request) -> Mapping[str, object]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    return dict(await request.post())


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
