"""Arrivals of tests, in the words of each source, and what must stay of them.

The oracle folds arrivals in memory. It reads no payload and uses nothing of what it judges: it
knows what was meant, because it made the payloads.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

ZERO = datetime(2024, 3, 1, tzinfo=UTC)
BROKEN = b'{"type": '


@dataclass(frozen=True)
class Meant:
    """An arrival, and what it means; moments count seconds from ZERO.

    `event_id` is as the sender writes it, `happened` by the source's clock or None, and `received`
    when it arrived. One that `is_broken` is no JSON.
    """

    event_id: str
    source: str = "shop_api"
    happened: int | None = 0
    sequence: int | None = None
    received: int = 0
    product: str = "p"
    cents: int = 100
    is_broken: bool = False

    @property
    def payload(self) -> bytes:
        if self.is_broken:
            return BROKEN + self.product.encode()
        made = {"shop_api": self._api, "partner_files": self._row, "partner_webhook": self._hook}
        return json.dumps(made[self.source]()).encode()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.payload).digest()

    @property
    def canonical_id(self) -> str:
        return self.event_id.strip().lower()

    @property
    def received_at(self) -> datetime:
        return ZERO + timedelta(seconds=self.received)

    @property
    def happened_at(self) -> datetime | None:
        return None if self.happened is None else ZERO + timedelta(seconds=self.happened)

    @property
    def is_believed(self) -> bool:
        return self.happened is not None and self.happened <= self.received + 24 * 3600

    @property
    def day(self) -> date:
        at = self.happened_at if self.is_believed else self.received_at
        assert at is not None
        return at.date()

    def _api(self) -> dict[str, Any]:
        at = self.happened_at
        # The same moment on another clock: six hours and a half ahead.
        local = at and at.replace(tzinfo=None) + timedelta(hours=6, minutes=30)
        return {
            "type": "add_to_cart",
            "occurred_at": local and f"{local.isoformat()}+06:30",
            "sequence": self.sequence,
            "anonymous_id": "someone",
            "channel": "web",
            "product_id": self.product,
            "price": f"{self.cents / 100:.2f}",
            "currency": "EUR",
        }

    def _row(self) -> dict[str, Any]:
        at = self.happened_at
        return {
            "event": "cart+",
            "ts": "" if at is None else str(int(at.timestamp())),
            "version": "" if self.sequence is None else str(self.sequence),
            "visitor": "someone",
            "channel": "WEB",
            "sku": self.product,
            "price_cents": str(self.cents),
            "currency": "eur",
        }

    def _hook(self) -> dict[str, Any]:
        at = self.happened_at
        data = {
            "occurred_ms": None if at is None else int(at.timestamp()) * 1000,
            "revision": self.sequence,
            "device_id": " someone ",
            "channel": "web",
            "product": self.product,
            "total": self.cents / 100,
            "currency": "EUR",
        }
        return {"type": "cart.item_added", "timestamp": "2024-03-09T00:00:00Z", "data": data}


Row = tuple[Any, ...]
COLUMNS = (
    "event_id, event_date, event_type, source, occurred_at, received_at, anonymous_id, product_id, "
    "price, currency, channel, sequence, placed_by, payload_digest"
)
"""What is compared of each row of `events`."""


def fold(arrivals: Iterable[Meant]) -> list[Row]:
    """The rows of `events`, by id, after all of these have arrived."""
    return sorted(_row_of(event_id, one) for event_id, one in _staying(_earliest(arrivals)).items())


Landed = tuple[str, str, bytes]
"""What a copy is known by in landing: source, id as it is written, digest."""


def statuses_of(arrivals: Iterable[Meant]) -> dict[Landed, str]:
    """The status of each copy in landing, after all of these have arrived and been loaded."""
    copies = _earliest(arrivals)
    staying = _staying(copies)
    found = {}
    for one in copies:
        if one.is_broken:
            status = "quarantined"
        else:
            stays = staying[one.canonical_id]
            is_same = one.digest == stays.digest
            status = "loaded" if one is stays else "duplicate" if is_same else "superseded"
        found[one.source, one.event_id, one.digest] = status
    return found


def _staying(copies: Iterable[Meant]) -> dict[str, Meant]:
    """By canonical id the copy that stays."""
    by_id: dict[str, list[Meant]] = {}
    for one in copies:
        if not one.is_broken:
            by_id.setdefault(one.canonical_id, []).append(one)
    return {event_id: min(of_it, key=_order) for event_id, of_it in by_id.items()}


def _earliest(arrivals: Iterable[Meant]) -> list[Meant]:
    """One a source, id as written and payload: the earliest."""
    kept: dict[tuple[str, str, bytes], Meant] = {}
    for one in arrivals:
        key = (one.source, one.event_id, one.payload)
        if key not in kept or one.received < kept[key].received:
            kept[key] = one
    return list(kept.values())


def _order(one: Meant) -> tuple[Any, ...]:
    """The copy that stays comes first."""
    return (
        -(one.happened if one.happened is not None else float("-inf")),
        -(one.sequence if one.sequence is not None else float("-inf")),
        one.received,
        one.digest,
        one.source,
        one.event_id,
    )


def _row_of(event_id: str, one: Meant) -> Row:
    return (
        event_id,
        one.day,
        "cart_add",
        one.source,
        one.happened_at,
        one.received_at,
        "someone",
        one.product,
        Decimal(one.cents) / 100,
        "EUR",
        "web",
        one.sequence,
        "source" if one.is_believed else "receipt",
        one.digest,
    )


def spelt(arrivals: Sequence[Meant]) -> list[Meant]:
    """The same arrivals with ids in capitals and with white space, as some senders write them."""
    return [replace(one, event_id=f"  {one.event_id.upper()} ") for one in arrivals]
