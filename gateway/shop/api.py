"""The JSON API: what it asks for and answers is more than any of its screens needs."""

import json
import re
from collections.abc import Mapping
from json import JSONDecodeError

from aiohttp import BodyPartReader, web

from gateway.shop.received import PARTS
from gateway.shop.session import STORE, sign_in, sign_out, signed_in
from gateway.shop.store import PRODUCTS, Customer, EmailTakenError, Line, Order, Store

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
"""What HTML calls a valid e-mail address (4.10.5.1.5), which is also safe inside a cookie."""

MAX_AVATAR = 256 * 1024
MAX_TEXT = 500
MAX_LINES = 20

DETAILS = ("birth_date", "phone", "device_id", "address")
EDITABLE = ("name", *DETAILS)


async def add_customer(request: web.Request) -> web.Response:
    customer = register(request, await _object(request))
    response = web.json_response({"customer": customer.to_json()}, status=201)
    sign_in(request, response, customer)
    return response


def register(request: web.Request, data: Mapping[str, object]) -> Customer:
    """Create the account that `data` asks for, with the browser's name kept beside it.

    Raises:
        web.HTTPException: 422 for a missing e-mail, name or password, 409 for an address already in use.
    """
    email, name, password = text(data, "email"), text(data, "name"), text(data, "password")
    if not EMAIL.fullmatch(email) or not name or not password:
        raise _problem(web.HTTPUnprocessableEntity, "email, name and password are needed")
    try:
        customer = request.app[STORE].add_customer(email=email, name=name, password=password)
    except EmailTakenError:
        raise _problem(web.HTTPConflict, "this address already has an account") from None
    change(customer, data)
    customer.user_agent = request.headers.get("User-Agent", "")
    customer.internal_note = f"signed up from {request.headers.get('Referer', 'a direct visit')}"
    return customer


async def log_in(request: web.Request) -> web.Response:
    data = await _object(request)
    customer = request.app[STORE].authenticate(text(data, "email"), text(data, "password"))
    if customer is None:
        raise _problem(web.HTTPUnauthorized, "e-mail or password is wrong")
    response = web.json_response({"customer": customer.to_json()})
    sign_in(request, response, customer)
    return response


async def log_out(request: web.Request) -> web.Response:
    response = web.json_response({"signed_out": True})
    sign_out(request, response)
    return response


async def list_products(_request: web.Request) -> web.Response:
    return web.json_response({"items": [product.to_json() for product in PRODUCTS.values()]})


async def show_product(request: web.Request) -> web.Response:
    product = PRODUCTS.get(request.match_info["id"])
    if product is None:
        raise _problem(web.HTTPNotFound, "no such product")
    return web.json_response(product.to_json())


async def list_orders(request: web.Request) -> web.Response:
    """Everybody's orders, for the line "others bought"; a shop with a conscience would not."""
    items = [order.to_json() for order in request.app[STORE].orders()]
    return web.json_response({"count": len(items), "items": items})


async def add_order(request: web.Request) -> web.Response:
    order = place_order(request.app[STORE], signed_in(request), await _object(request))
    return web.json_response(order.to_json(), status=201)


def place_order(store: Store, customer: Customer, data: Mapping[str, object]) -> Order:
    """Place an order for `data["items"]`; address and the card's last digits are kept with the customer.

    Raises:
        web.HTTPException: 422 for an empty or unknown item.
    """
    items = data.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_LINES:
        raise _problem(web.HTTPUnprocessableEntity, "items must list what to order")
    lines = tuple(_line(item) for item in items)
    customer.address = text(data, "address") or customer.address
    customer.device_id = text(data, "device_id") or customer.device_id
    digits = "".join(letter for letter in text(data, "card") if letter.isdecimal())
    customer.card_last4 = digits[-4:] or customer.card_last4
    return store.place_order(
        customer, lines, note=text(data, "note"), internal_note=f"ordered with {customer.user_agent or 'no user agent'}"
    )


def _line(item: object) -> Line:
    if isinstance(item, dict):
        product, quantity = PRODUCTS.get(str(item.get("product"))), item.get("quantity", 1)
        if product is not None and isinstance(quantity, int) and 0 < quantity < 100:
            return Line(product, quantity)
    raise _problem(web.HTTPUnprocessableEntity, "an item needs a product and a quantity from 1 to 99")


async def show_profile(request: web.Request) -> web.Response:
    return web.json_response(signed_in(request).to_json())


async def change_profile(request: web.Request) -> web.Response:
    customer = signed_in(request)
    change(customer, await _object(request))
    return web.json_response(customer.to_json())


def change(customer: Customer, data: Mapping[str, object]) -> None:
    """Take over what `data` names of the attributes that a customer may edit."""
    for key in EDITABLE:
        if key in data:
            setattr(customer, key, text(data, key))


async def upload_avatar(request: web.Request) -> web.Response:
    customer = signed_in(request)
    await take_avatar(request, customer)
    return web.json_response({"avatar_bytes": len(customer.avatar), "avatar_type": customer.avatar_type}, status=201)


async def take_avatar(request: web.Request, customer: Customer) -> None:
    """Read a multipart form: the file `avatar`, and texts `caption` and `device_id`.

    Raises:
        web.HTTPException: 415 for another media type, 413 for a picture over 256 KiB.
    """
    if request.content_type != "multipart/form-data":
        raise _problem(web.HTTPUnsupportedMediaType, "send multipart/form-data")
    parts = request[PARTS] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        content = bytearray()
        while chunk := await part.read_chunk():
            content += chunk
            if len(content) > MAX_AVATAR:
                raise web.HTTPRequestEntityTooLarge(MAX_AVATAR, len(content))
        if part.filename is None:
            parts.append({"name": part.name, "text": content[:MAX_TEXT].decode("utf-8", "replace")})
            if part.name == "device_id":
                customer.device_id = content[:MAX_TEXT].decode("utf-8", "replace")
        else:
            parts.append({"name": part.name, "filename": part.filename, "bytes": len(content)})
            customer.avatar = bytes(content)
            customer.avatar_type = part.headers.get("Content-Type", "")


def text(data: Mapping[str, object], key: str) -> str:
    """The string at `key`, trimmed and at most 500 letters long; "" where there is none."""
    value = data.get(key)
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""


async def _object(request: web.Request) -> Mapping[str, object]:
    if request.content_type != "application/json":
        raise _problem(web.HTTPUnsupportedMediaType, "send application/json")
    try:
        data = await request.json()
    except (JSONDecodeError, UnicodeDecodeError):
        raise _problem(web.HTTPBadRequest, "the body is not JSON") from None
    if not isinstance(data, dict):
        raise _problem(web.HTTPUnprocessableEntity, "send an object")
    return data


def _problem(kind: type[web.HTTPException], message: str) -> web.HTTPException:
    return kind(text=json.dumps({"error": message}), content_type="application/json")
