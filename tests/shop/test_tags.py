from gateway.shop.tags import make_tags


async def test_counts_each_visit(aiohttp_client):
    host = await aiohttp_client(make_tags())
    script = await host.get("/tag.js")
    pixel = await host.get("/pixel.gif?who=ada%40example.org")
    await host.get("/collect?page=%2F")
    await host.get("/collect?page=%2F")

    hits = await (await host.get("/hits")).json()

    assert hits == {"tag.js": 1, "pixel.gif": 1, "collect": 2}
    assert "/collect?page=" in await script.text()
    assert pixel.content_type == "image/gif"
    assert "third_party_id" in pixel.cookies


async def test_a_strange_host_name_stays_out_of_the_script(aiohttp_client):
    host = await aiohttp_client(make_tags())

    script = await host.get("/tag.js", headers={"Host": 'x";alert(1)//'})

    assert "alert" not in await script.text()
