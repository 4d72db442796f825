"""The rows of the demo's tables, columns in the order of `schema.py`. Times are UTC."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple


class CountryName(NamedTuple):
    """A row of countries."""

    code: str
    name: str


class Customer(NamedTuple):
    """A row of customers; `custom` is JSON text."""

    id: int
    email: str | None
    full_name: str
    country: str
    segment: str | None
    phone: str | None
    is_subscribed: bool
    custom: str | None
    created_at: datetime
    updated_at: datetime


class Product(NamedTuple):
    """A row of products; `attributes` is JSON text."""

    id: int
    sku: str
    name: str
    category: str
    price_cents: int
    weight_kg: Decimal | None
    tags: list[str]
    attributes: str | None
    created_at: datetime
    updated_at: datetime


class Order(NamedTuple):
    """A row of orders; only a bad one has "infinity" as `updated_at`."""

    id: int
    customer_id: int
    status: str
    total_cents: int
    currency: str
    channel: str
    discount_cents: int | None
    coupon_code: str | None
    note: str | None
    created_at: datetime
    updated_at: datetime | Literal["infinity"]


class OrderItem(NamedTuple):
    """A row of order_items."""

    id: int
    order_id: int
    product_id: int
    quantity: int
    unit_price_cents: int
    discount_cents: int
    updated_at: datetime


class Invoice(NamedTuple):
    """A row of the billing system's invoices; `amount` is in units of its currency."""

    id: int
    order_id: int
    amount: Decimal
    currency: str
    issued_at: datetime
    updated_at: datetime


class Account(NamedTuple):
    """A row of the billing system's accounts; its times are of its own zone, and do not say so."""

    acct_no: int
    acct_name: str
    mail: str | None
    tel: str | None
    ctry: str
    vip_flag: str | None
    newsletter: str | None
    shop_ref: int | None
    created_at: datetime
    updated_at: datetime


class ShopDay(NamedTuple):
    """What one day adds to each table."""

    customers: list[Customer]
    products: list[Product]
    orders: list[Order]
    order_items: list[OrderItem]
