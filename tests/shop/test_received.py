from aiohttp import FormData
from yarl import URL

from gateway.shop.app import make_shop
from gateway.shop.received import MAX_ENTRIES


async def test_shows_what_arrived_in_order_and_with_spelling(aiohttp_client):
    shop = await aiohttp_client(make_shop())
    target = URL(str(shop.make_url("/newsletter")) + "?utm=x%2Fy", encoded=True)
    await shop.session.post(target, data=b"email=a%40b.example", headers={"X-Odd-CASE": "1"})
    await shop.get("/static/shop.css")

    entries = (await (await shop.get("/debug/received")).json())["received"]

    assert [entry["target"] for entry in entries] == ["/newsletter?utm=x%2Fy"]
    assert entries[0]["body"] == "email=a%40b.example"
    assert ["X-Odd-CASE", "1"] in entries[0]["headers"]


async def test_shows_the_parts_of_an_upload(aiohttp_client):
    shop = await aiohttp_client(make_shop())
    await shop.post("/api/customers", json={"email": "a@b.example", "name": "A", "password": "x"})
    form = FormData()
    form.add_field("avatar", b"12345", filename="me.png", content_type="image/png")
    form.add_field("device_id", "dev-9")
    assert (await shop.put("/api/profile/avatar", data=form)).status == 201

    entries = (await (await shop.get("/debug/received")).json())["received"]

    assert entries[-1]["body"] == [
        {"name": "avatar", "filename": "me.png", "bytes": 5},
        {"name": "device_id", "text": "dev-9"},
    ]


async def test_keeps_what_a_handler_refused_and_only_the_latest(aiohttp_client):
    shop = await aiohttp_client(make_shop())
    for number in range(MAX_ENTRIES + 3):
        assert (await shop.get(f"/none/{number}")).status == 404

    entries = (await (await shop.get("/debug/received")).json())["received"]

    assert len(entries) == MAX_ENTRIES
    assert entries[-1]["number"] == MAX_ENTRIES + 3
