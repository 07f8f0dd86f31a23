"""The shop as one aiohttp application."""

from pathlib import Path

from aiohttp import web

from gateway.shop import api, pages
from gateway.shop.received import RECEIVED, Received, keep_received, show_received
from gateway.shop.session import STORE
from gateway.shop.store import Store, seed

MAX_BODY = 1024 * 1024


def make_shop(analytics: str = "", ads: str = "") -> web.Application:
    """A shop with its own empty store but for two seeded customers.

    `analytics` and `ads` are origins (`http://127.0.0.1:9001`) of the third parties whose tags the
    pages carry; an empty one leaves its tag out.
    """
    app = web.Application(middlewares=[keep_received], client_max_size=MAX_BODY)
    app[STORE] = Store()
    app[RECEIVED] = Received()
    app[pages.ANALYTICS] = analytics
    app[pages.ADS] = ads
    seed(app[STORE])
    app.add_routes(
        [
            web.post("/api/customers", api.add_customer),
            web.post("/api/login", api.log_in),
            web.post("/api/logout", api.log_out),
            web.get("/api/products", api.list_products),
            web.get("/api/products/{id}", api.show_product),
            web.get("/api/orders", api.list_orders),
            web.post("/api/orders", api.add_order),
            web.get("/api/profile", api.show_profile),
            web.patch("/api/profile", api.change_profile),
            web.put("/api/profile/avatar", api.upload_avatar),
            web.get("/", pages.home),
            web.get("/products/{id}", pages.product),
            web.get("/sign-up", pages.sign_up_form),
            web.post("/sign-up", pages.sign_up),
            web.get("/login", pages.log_in_form),
            web.post("/login", pages.log_in),
            web.post("/logout", pages.log_out),
            web.get("/orders", pages.orders),
            web.post("/orders", pages.add_order),
            web.get("/profile", pages.profile),
            web.post("/profile", pages.save_profile),
            web.get("/profile/avatar", pages.show_avatar),
            web.post("/profile/avatar", pages.upload_avatar),
            web.get("/newsletter", pages.newsletter_form),
            web.post("/newsletter", pages.subscribe),
            web.get("/debug/received", show_received),
            web.static("/static", Path(__file__).parent / "static"),
        ]
    )
    return app
