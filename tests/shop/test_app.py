import pytest

from gateway.shop.app import make_shop
from gateway.shop.session import STORE
from gateway.shop.store import MAX_CUSTOMERS, MAX_ORDERS

ADA = {
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "password": "analytical",
    "birth_date": "1815-12-10",
    "phone": "+44 20 7946 0000",
    "device_id": "dev-7",
}
ORDER = {"items": [{"product": "cup", "quantity": 2}], "card": "4111 1111 1111 1111", "address": "12 Example Row"}


@pytest.fixture
async def shop(aiohttp_client):
    return await aiohttp_client(make_shop("http://analytics.example", "http://ads.example"))


@pytest.fixture
async def ada(shop):
    answer = await shop.post("/api/customers", json=ADA)
    assert answer.status == 201
    return shop


async def test_sign_up_answers_with_more_than_was_asked_and_two_cookies(shop):
    answer = await shop.post(
        "/api/customers", json=ADA, headers={"User-Agent": "probe/1", "Referer": "http://x.example/"}
    )

    customer = (await answer.json())["customer"]
    assert answer.status == 201
    assert (customer["birth_date"], customer["user_agent"]) == ("1815-12-10", "probe/1")
    assert "x.example" in customer["internal_note"]
    assert answer.cookies["session"]["httponly"]
    assert "customer=ada@example.org; " in " ".join(answer.headers.getall("Set-Cookie"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"json": ADA | {"email": "nobody"}}, 422),
        ({"json": ADA | {"email": "a@b; Domain=evil"}}, 422),
        ({"json": ADA | {"name": " "}}, 422),
        ({"json": ADA | {"password": 7}}, 422),
        ({"json": [ADA]}, 422),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": {"email": "a@b.example"}}, 415),
    ],
)
async def test_sign_up_refuses(shop, body, status):
    answer = await shop.post("/api/customers", **body)

    assert answer.status == status
    assert "Set-Cookie" not in answer.headers


async def test_an_address_has_one_account(ada):
    answer = await ada.post("/api/customers", json=ADA | {"email": "ADA@example.org"})

    assert answer.status == 409


async def test_log_in_and_out(ada):
    await ada.post("/api/logout")
    assert (await ada.get("/api/profile")).status == 401
    assert (await ada.post("/api/login", json={"email": ADA["email"], "password": "wrong"})).status == 401
    assert (await ada.post("/api/login", json={"email": ADA["email"], "password": ADA["password"]})).status == 200
    assert (await ada.get("/api/profile")).status == 200


async def test_a_closed_session_is_closed_for_who_kept_its_cookie_too(ada):
    token = ada.session.cookie_jar.filter_cookies(ada.make_url("/"))["session"].value
    await ada.post("/api/logout")

    answer = await ada.get("/api/profile", headers={"Cookie": f"session={token}"})

    assert answer.status == 401


async def test_orders_list_everybody(ada):
    placed = await ada.post("/api/orders", json=ORDER)
    listed = await (await ada.get("/api/orders")).json()

    assert placed.status == 201
    assert listed["count"] == 3
    assert listed["items"][0]["customer"]["email"] == "ada@example.org"
    assert listed["items"][0]["customer"]["card_last4"] == "1111"
    assert listed["items"][0]["total"] == 3600


@pytest.mark.parametrize(
    "items",
    [
        None,
        [],
        [{"product": "gold"}],
        [{"product": "cup", "quantity": 0}],
        [{"product": "cup", "quantity": "2"}],
        ["cup"],
    ],
)
async def test_an_order_needs_real_items(ada, items):
    assert (await ada.post("/api/orders", json={"items": items})).status == 422


async def test_an_order_needs_a_person(shop):
    assert (await shop.post("/api/orders", json=ORDER)).status == 401


async def test_profile_changes_only_what_is_editable(ada):
    answer = await ada.patch("/api/profile", json={"phone": "+1", "internal_note": "nice", "email": "x@y.example"})

    profile = await answer.json()
    assert profile["phone"] == "+1"
    assert profile["email"] == "ada@example.org"
    assert profile["internal_note"] != "nice"


async def test_products(shop):
    listed = await (await shop.get("/api/products")).json()

    assert len(listed["items"]) == 6
    assert (await (await shop.get("/api/products/cup")).json())["price"] == 1800
    assert (await shop.get("/api/products/gold")).status == 404


async def test_tables_are_bounded(shop):
    store = shop.app[STORE]
    first = store.add_customer(email="first@example.org", name="First", password="x")
    token = store.open_session(first)
    line = next(iter(store.orders())).lines
    for number in range(MAX_ORDERS + 5):
        store.place_order(first, line, note=str(number), internal_note="")
    store._customers.update({f"{number}@example.org": first for number in range(MAX_CUSTOMERS)})
    store.add_customer(email="last@example.org", name="Last", password="x")

    assert len(list(store.orders())) == MAX_ORDERS
    assert len(store._customers) == MAX_CUSTOMERS
    assert store.customer_of(token) is None
