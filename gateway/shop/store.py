"""What the shop keeps, in memory only and bounded: the oldest entry goes when a table is full."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

Value = TypeVar("Value")

MAX_CUSTOMERS = 500
MAX_ORDERS = 500
MAX_SESSIONS = 1000
MAX_SUBSCRIBERS = 1000


@dataclass(frozen=True)
class Product:
    """`price` is in cents; `shape` names the drawing on its card."""

    id: str
    name: str
    price: int
    shape: str
    text: str

    def to_json(self) -> dict[str, object]:
        return {"id": self.id, "name": self.name, "price": self.price, "description": self.text}


PRODUCTS: Mapping[str, Product] = {
    product.id: product
    for product in (
        Product("teapot", "Ember teapot", 5400, "teapot", "Stoneware, iron-red glaze, holds 900 ml."),
        Product("cup", "Tide cup", 1800, "cup", "Thrown thin, glazed in two blues, made in pairs."),
        Product("bowl", "Field bowl", 2400, "bowl", "Wide rim, matt oat glaze, safe in the oven."),
        Product("vase", "Reed vase", 3900, "vase", "Tall and narrow, for one branch at a time."),
        Product("sencha", "Spring sencha", 1250, "leaf", "First harvest, 80 g, steamed and rolled."),
        Product("oolong", "Mountain oolong", 1600, "leaf", "Half-balled, lightly roasted, 80 g."),
    )
}


@dataclass
class Customer:
    """Everything the shop ever learned about a person, needed or not."""

    id: str
    email: str
    name: str
    password: bytes = field(repr=False)
    birth_date: str = ""
    phone: str = ""
    device_id: str = ""
    user_agent: str = ""
    address: str = ""
    card_last4: str = ""
    internal_note: str = ""
    newsletter: bool = False
    avatar: bytes = field(default=b"", repr=False)
    avatar_type: str = ""

    def to_json(self) -> dict[str, object]:
        """The whole record but for the password, as a careless API would serialise it."""
        return {
            "id": self.id,
            "email": self.email,
            "name": self.name,
            "birth_date": self.birth_date,
            "phone": self.phone,
            "device_id": self.device_id,
            "user_agent": self.user_agent,
            "address": self.address,
            "card_last4": self.card_last4,
            "internal_note": self.internal_note,
            "newsletter": self.newsletter,
            "avatar_bytes": len(self.avatar),
        }


@dataclass(frozen=True)
class Line:
    product: Product
    quantity: int


@dataclass(frozen=True)
class Order:
    id: str
    placed: str
    customer: Customer
    lines: tuple[Line, ...]
    note: str = ""
    internal_note: str = ""

    @property
    def total(self) -> int:
        return sum(line.product.price * line.quantity for line in self.lines)

    def to_json(self) -> dict[str, object]:
        customer = self.customer
        return {
            "id": self.id,
            "placed": self.placed,
            "total": self.total,
            "lines": [
                {"product": line.product.id, "quantity": line.quantity, "price": line.product.price}
                for line in self.lines
            ],
            "note": self.note,
            "internal_note": self.internal_note,
            "customer": {
                "id": customer.id,
                "email": customer.email,
                "name": customer.name,
                "phone": customer.phone,
                "card_last4": customer.card_last4,
            },
        }


class EmailTakenError(Exception):
    """There is already a customer with this e-mail address."""


class Store:
    """All tables of the shop. Used inside one event loop, so there are no locks."""

    def __init__(self) -> None:
        self._customers: OrderedDict[str, Customer] = OrderedDict()
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._subscribers: OrderedDict[str, dict[str, str]] = OrderedDict()

    def add_customer(self, *, email: str, name: str, password: str) -> Customer:
        """Create an account.

        Raises:
            EmailTakenError: the address has one already.
        """
        key = email.casefold()
        if key in self._customers:
            raise EmailTakenError
        customer = Customer(id=f"c-{secrets.token_hex(4)}", email=email, name=name, password=_digest(password))
        _put(self._customers, key, customer, MAX_CUSTOMERS)
        return customer

    def authenticate(self, email: str, password: str) -> Customer | None:
        customer = self._customers.get(email.casefold())
        if customer is None or not _matches(customer.password, password):
            return None
        return customer

    def open_session(self, customer: Customer) -> str:
        token = secrets.token_urlsafe(24)
        _put(self._sessions, token, customer.email.casefold(), MAX_SESSIONS)
        return token

    def close_session(self, token: str) -> None:
        self._sessions.pop(token, None)

    def customer_of(self, token: str) -> Customer | None:
        return self._customers.get(self._sessions.get(token, ""))

    def place_order(self, customer: Customer, lines: tuple[Line, ...], *, note: str, internal_note: str) -> Order:
        placed = datetime.now(UTC).isoformat(timespec="seconds")
        order = Order(f"o-{secrets.token_hex(4)}", placed, customer, lines, note, internal_note)
        _put(self._orders, order.id, order, MAX_ORDERS)
        return order

    def orders(self) -> Iterator[Order]:
        """Every order of everybody, newest first."""
        return reversed(self._orders.values())

    def orders_of(self, customer: Customer) -> list[Order]:
        return [order for order in self.orders() if order.customer is customer]

    def subscribe(self, email: str, details: dict[str, str]) -> None:
        _put(self._subscribers, email.casefold(), details, MAX_SUBSCRIBERS)


def _put(table: OrderedDict[str, Value], key: str, value: Value, bound: int) -> None:
    table[key] = value
    while len(table) > bound:
        table.popitem(last=False)


def _digest(password: str) -> bytes:
    salt = secrets.token_bytes(16)
    return salt + hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


def _matches(stored: bytes, password: str) -> bool:
    salt, digest = stored[:16], stored[16:]
    return hmac.compare_digest(digest, hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1))


def seed(store: Store) -> None:
    """Two earlier customers with one order each, so that the first visitor finds a shop in use."""
    for email, name, phone, card, product, note in (
        ("grace.hopper@example.net", "Grace Hopper", "+1 202 555 0143", "4242", "teapot", "asks many questions"),
        ("alan.turing@example.net", "Alan Turing", "+44 20 7946 0958", "1881", "bowl", "late payer in spring"),
    ):
        customer = store.add_customer(email=email, name=name, password=secrets.token_urlsafe(12))
        customer.phone, customer.card_last4, customer.internal_note = phone, card, note
        store.place_order(customer, (Line(PRODUCTS[product], 1),), note="", internal_note=note)
