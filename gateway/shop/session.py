"""Who is signed in: one cookie with a random token, and a second one that says more than it should."""

import json

from aiohttp import web

from gateway.shop.store import Customer, Store

STORE: web.AppKey[Store] = web.AppKey("store", Store)

SESSION = "session"
CUSTOMER = "customer"
DAY = 86400


def sign_in(request: web.Request, response: web.StreamResponse, customer: Customer) -> None:
    """Open a session; the e-mail address goes into a second cookie, for scripts to greet the person."""
    token = request.app[STORE].open_session(customer)
    response.set_cookie(SESSION, token, httponly=True, samesite="Lax", max_age=DAY)
    # Written by hand: http.cookies puts quotes around the "@", which no browser asks for (RFC 6265 section 4.1.1).
    response.headers.add("Set-Cookie", f"{CUSTOMER}={customer.email}; Max-Age={30 * DAY}; Path=/; SameSite=Lax")


def sign_out(request: web.Request, response: web.StreamResponse) -> None:
    request.app[STORE].close_session(request.cookies.get(SESSION, ""))
    for name in (SESSION, CUSTOMER):
        response.del_cookie(name)


def customer_of(request: web.Request) -> Customer | None:
    return request.app[STORE].customer_of(request.cookies.get(SESSION, ""))


def signed_in(request: web.Request) -> Customer:
    """The customer whose session this is.

    Raises:
        web.HTTPUnauthorized: nobody is signed in.
    """
    customer = customer_of(request)
    if customer is None:
        raise web.HTTPUnauthorized(text=json.dumps({"error": "sign in first"}), content_type="application/json")
    return customer
