"""The words of the shop's events: what may be said of one, whatever source it came from. Pure.

How each source words it is `mapping/`; how an event is stored is `load.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class EventType(StrEnum):
    """What a visitor did."""

    PAGE_VIEW = "page_view"
    PRODUCT_VIEW = "product_view"
    CART_ADD = "cart_add"
    CART_REMOVE = "cart_remove"
    PURCHASE = "purchase"


CHANNELS = ("web", "mobile", "marketplace", "store")
"""Where it was done; the same as an order's."""


class Quality(StrEnum):
    """How far an event can be used; from the best to the worst."""

    VALID = "valid"
    INCOMPLETE = "incomplete"
    NEEDS_REVIEW = "needs_review"
    INVALID = "invalid"


@dataclass(frozen=True)
class Said:
    """What a source's payload says, in our words; None for what it does not say.

    `source_at` is the moment by the source's clock, in UTC; `sequence` counts the versions of an
    event at its source. `price` is for all pieces of the event, in units of `currency`;
    `session_hint` is the source's own name for a session.
    """

    event_type: EventType
    source_at: datetime | None = None
    sequence: int | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    channel: str | None = None
    session_hint: str | None = None
    product_id: str | None = None
    order_id: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Copy:
    """A payload as it was landed. `received_at` is in UTC, `digest` the sha-256 of the payload.

    `staging_id` is its number in landing, and `attempts` how often it was tried before.
    """

    staging_id: int
    source: str
    event_id: str
    payload: bytes
    digest: bytes
    received_at: datetime
    attempts: int = 0


@dataclass(frozen=True)
class Event:
    """One event as it is stored: what was said, where it belongs, and how far it can be used.

    `event_id` is canonical. `event_date` is the UTC day that it belongs to: that of the source's
    moment, or that of the receipt where `placed_by_receipt`. `reasons` say why the quality is not
    `valid`.
    """

    event_id: str
    said: Said
    event_date: date
    placed_by_receipt: bool
    copy: Copy
    quality: Quality
    reasons: tuple[str, ...]
