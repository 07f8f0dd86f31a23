from html.parser import HTMLParser

import pytest
from aiohttp import FormData

from gateway.shop.app import make_shop

ADA = {"email": "ada@example.org", "name": "Ada <b>Lovelace</b>", "password": "analytical", "device_id": "dev-7"}
PATHS = ["/", "/products/cup", "/sign-up", "/login", "/orders", "/profile", "/newsletter"]


class Outline(HTMLParser):
    """Checks that tags nest, and gathers ids, labels and inputs."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "use"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.labels, self.inputs, self.headings, self.images = [], [], set(), set(), [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "label":
            self.labels.add(attributes["for"])
        if tag == "input" and attributes.get("type") != "hidden":
            self.inputs.add(attributes["id"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "h1":
            self.headings.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
async def shop(aiohttp_client):
    return await aiohttp_client(make_shop("http://analytics.example", "http://ads.example"))


@pytest.fixture
async def ada(shop):
    assert (await shop.post("/sign-up", data=ADA, allow_redirects=False)).status == 303
    return shop


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_well_formed_and_labelled(ada, path):
    answer = await ada.get(path)
    text = await answer.text()
    outline = Outline(text)

    assert answer.status == 200
    assert len(outline.headings) == 1
    assert outline.inputs <= outline.labels
    assert len(outline.ids) == len(set(outline.ids))
    assert all("alt" in image for image in outline.images)
    assert "<b>Lovelace</b>" not in text
    assert 'src="http://analytics.example/tag.js"' in text
    assert "http://ads.example/pixel.gif" in text
    assert "who=ada%40example.org" in text


async def test_a_visitor_gets_identifiers_once(shop):
    first = await shop.get("/")
    second = await shop.get("/")

    assert {"_ga", "_ad_id"} <= set(first.cookies)
    assert not second.cookies


async def test_no_third_party_where_none_is_configured(aiohttp_client):
    shop = await aiohttp_client(make_shop())

    text = await (await shop.get("/")).text()

    assert "tag.js" not in text
    assert "pixel.gif" not in text


async def test_forms_work_without_javascript(ada):
    ordered = await ada.post("/orders", data={"product": "cup", "quantity": "2", "note": "soon"})
    saved = await ada.post("/profile", data={"name": "Ada", "phone": "+1"})
    left = await ada.post("/logout")

    assert "€36.00" in await ordered.text()
    assert 'value="+1"' in await saved.text()
    assert "Log in" in await left.text()
    assert (await ada.post("/login", data={"email": ADA["email"], "password": "wrong"})).status == 401
    assert (await ada.post("/login", data=ADA, allow_redirects=False)).status == 303


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/sign-up", {"email": "x"}, 422),
        ("/sign-up", ADA, 409),
        ("/newsletter", {"email": "x"}, 422),
        ("/orders", {"product": "gold", "quantity": "1"}, 422),
        ("/orders", {"product": "cup", "quantity": "-1"}, 422),
    ],
)
async def test_what_a_form_gets_wrong_is_said(ada, path, data, status):
    answer = await ada.post(path, data=data)

    assert answer.status == status
    assert 'role="alert"' in await answer.text()


async def test_newsletter_thanks_by_name(shop):
    answer = await shop.post("/newsletter", data={"email": "ada@example.org", "birth_date": "1815-12-10"})

    assert "ada@example.org" in await answer.text()


async def test_avatar_round_trip(ada):
    form = FormData()
    form.add_field("avatar", b"\x89PNG\r\n\x1a\n", filename="me.png", content_type="image/png")
    form.add_field("caption", "me")
    sent = await ada.post("/profile/avatar", data=form, allow_redirects=False)
    shown = await ada.get("/profile/avatar")

    assert sent.status == 303
    assert await shown.read() == b"\x89PNG\r\n\x1a\n"
    assert shown.content_type == "image/png"


async def test_avatar_is_never_served_as_a_page(ada):
    form = FormData()
    form.add_field("avatar", b"<script>", filename="me.html", content_type="text/html")
    await ada.post("/profile/avatar", data=form, allow_redirects=False)

    assert (await ada.get("/profile/avatar")).content_type == "application/octet-stream"


@pytest.mark.parametrize("size", [256 * 1024 + 1, 900_000])
async def test_avatar_has_a_bound(ada, size):
    form = FormData()
    form.add_field("avatar", bytes(size), filename="me.png", content_type="image/png")

    assert (await ada.post("/profile/avatar", data=form)).status == 413


@pytest.mark.parametrize("name", ["shop.css", "shop.js", "icon.svg", "shapes.svg"])
async def test_static_files(shop, name):
    assert (await shop.get(f"/static/{name}")).status == 200
