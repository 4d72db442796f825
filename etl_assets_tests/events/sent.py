"""What visitors of the shop did, as three sources tell it: each twice, late, corrected or broken.

What tables must make of it is `tables_oracle.py`, which knows what was meant and reads no payload.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

SOURCES = ("shop_api", "partner_files", "partner_webhook")
_TYPES = {  # as the API, the files and the webhook name them
    "page_view": ("page_view", "view", "page.viewed"),
    "product_view": ("product_view", "product", "product.viewed"),
    "cart_add": ("add_to_cart", "cart+", "cart.item_added"),
    "cart_remove": ("remove_from_cart", "cart-", "cart.item_removed"),
    "purchase": ("purchase", "order", "order.placed"),
}
A_VISIT = ("page_view", "product_view", "cart_add", "cart_remove", "cart_add", "purchase")


@dataclass(frozen=True)
class Sent:
    """An event as one source sends it once; `at` is the source's clock, None for no moment.

    `visitor` is `user:…` or `anonymous:…`. `cents` is the price of a purchase, below zero where
    that is what is wrong with it. One that `is_rubbish` is of a type that nobody knows.
    """

    source: str
    event_id: str | None
    kind: str
    at: datetime | None
    visitor: str | None
    channel: str | None = "web"
    sequence: int | None = None
    cents: int = 1999
    is_rubbish: bool = False

    @property
    def payload(self) -> bytes:
        """Its bytes, which are the same each time."""
        made = {"shop_api": self._item, "partner_files": self._row, "partner_webhook": self._call}
        return json.dumps(made[self.source](), separators=(", ", ": ")).encode()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.payload).digest()

    @property
    def landed_id(self) -> str:
        """The id that landing keeps."""
        return self.event_id if self.event_id is not None else f"sha256:{self.digest.hex()}"

    @property
    def user(self) -> str | None:
        return self._who("user:")

    @property
    def device(self) -> str | None:
        return self._who("anonymous:")

    @property
    def product(self) -> str | None:
        return "p-1" if self.kind.startswith(("product", "cart")) else None

    @property
    def order(self) -> str | None:
        return "o-1" if self.kind == "purchase" else None

    def _who(self, prefix: str) -> str | None:
        is_one = self.visitor is not None and self.visitor.startswith(prefix)
        return self.visitor.removeprefix(prefix) if is_one and self.visitor else None

    def _type(self) -> str:
        return "weather" if self.is_rubbish else _TYPES[self.kind][SOURCES.index(self.source)]

    def _item(self) -> dict[str, Any]:
        # The same moment on another clock: six hours and a half ahead.
        local = self.at and self.at.replace(tzinfo=None) + timedelta(hours=6, minutes=30)
        bought = {"price": f"{self.cents / 100:.2f}", "currency": "EUR"} if self.order else {}
        return {
            **({"id": self.event_id} if self.event_id is not None else {}),
            "type": self._type(),
            "occurred_at": local and f"{local.isoformat()}+06:30",
            "sequence": self.sequence,
            "user_id": self.user,
            "anonymous_id": self.device,
            "channel": self.channel,
            "product_id": self.product,
            "order_id": self.order,
            **bought,
        }

    def _row(self) -> dict[str, Any]:
        bought = {"price_cents": str(self.cents), "currency": "eur"} if self.order else {}
        return {
            **({"event_id": self.event_id} if self.event_id is not None else {}),
            "event": self._type(),
            "ts": "" if self.at is None else str(int(self.at.timestamp())),
            "version": "" if self.sequence is None else str(self.sequence),
            "customer": self.user or "",
            "visitor": self.device or "",
            "channel": (self.channel or "").upper(),
            "sku": self.product or "",
            "order_no": self.order or "",
            **bought,
        }

    def _call(self) -> dict[str, Any]:
        bought = {"total": self.cents / 100, "currency": "EUR"} if self.order else {}
        data = {
            "occurred_ms": None if self.at is None else int(self.at.timestamp()) * 1000,
            "revision": self.sequence,
            "customer_id": self.user,
            "device_id": self.device,
            "channel": self.channel,
            "product": self.product,
            "order": self.order,
            **bought,
        }
        given = {"event_id": self.event_id} if self.event_id is not None else {}
        return {**given, "type": self._type(), "timestamp": "2024-03-09T00:00:00Z", "data": data}


def midnight() -> datetime:
    """The beginning of this UTC day."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def shop_days(today: datetime, days: int = 8, seed: int = 10) -> list[Sent]:
    """Visits of each of so many days up to today, shuffled, with everything that goes wrong."""
    rng = random.Random(seed)
    meant = [one for visit in _visits(rng, today, days) for one in visit]
    sent = [copy for one in meant for copy in _copies(rng, one)]
    sent += rng.sample(sent, len(sent) // 10)  # exactly again
    sent += _faulty(today)
    rng.shuffle(sent)
    return sent


def _visits(rng: random.Random, today: datetime, days: int) -> Iterator[list[Sent]]:
    for day in range(days):
        begin = today - timedelta(days=days - 1 - day)
        for number, visitor in enumerate(("user:7", "anonymous:x", "user:8")):
            # The last visitor of a day stays up until after midnight.
            late_hour = 23 if number == 2 and day < days - 1 else rng.randrange(1, 20)
            at = begin + timedelta(hours=late_hour, minutes=rng.randrange(40, 55))
            yield list(_visit(rng, f"e-{day}-{number}", visitor, at))


def _visit(rng: random.Random, name: str, visitor: str, at: datetime) -> Iterator[Sent]:
    channel = rng.choice(["web", "mobile", "store"])
    for place, kind in enumerate(A_VISIT[: rng.randrange(2, len(A_VISIT) + 1)]):
        source = rng.choice(SOURCES)
        yield Sent(source, f"{name}-{place}", kind, at, visitor, channel)
        at += timedelta(seconds=rng.choice([1, 90, 900, 1799, 1800, 2400]))


def _copies(rng: random.Random, one: Sent) -> Iterator[Sent]:
    """The event as it is sent: by others as well, its id spelt otherwise, corrected."""
    yield one
    assert one.event_id is not None
    if rng.random() < 0.4:
        other = rng.choice(SOURCES)
        yield replace(one, source=other, event_id=f" {one.event_id.upper()} ")
    if rng.random() < 0.15:  # a newer version of it
        yield replace(one, source=rng.choice(SOURCES), sequence=2, channel="marketplace")
        yield replace(one, source=rng.choice(SOURCES), sequence=1, channel="store")
    if rng.random() < 0.1:  # before its clock was set right, it said it was the day before
        assert one.at is not None
        yield replace(one, source=rng.choice(SOURCES), sequence=9, at=one.at - timedelta(days=1))


def _faulty(today: datetime) -> Sequence[Sent]:
    """One or more of each kind of what is wrong with an event."""
    noon = today - timedelta(days=1, hours=12)
    good = Sent("shop_api", "f-0", "page_view", noon, "user:9")
    return [
        good,
        replace(good, event_id=None),
        replace(good, event_id=None, source="partner_files"),
        replace(good, event_id="f-1", at=None),
        replace(good, event_id="f-2", at=today + timedelta(days=40)),
        replace(good, event_id="f-3", at=datetime(1970, 1, 2, tzinfo=UTC), source="partner_files"),
        replace(good, event_id="f-4", visitor=None, source="partner_webhook"),
        replace(good, event_id="f-5", channel=None, source="partner_files"),
        replace(good, event_id="f-6", channel="carrier pigeon"),
        replace(good, event_id="f-7", kind="purchase", cents=-1, source="partner_webhook"),
        *(replace(good, event_id=f"r-{s}", source=s, is_rubbish=True) for s in SOURCES),
    ]
