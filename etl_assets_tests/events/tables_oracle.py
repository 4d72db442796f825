"""What tables must hold after all that was sent: a fold, and sessions in one pass. Plain Python.

Nothing of what is judged is used. From landing comes one thing only: when each copy was received.
"""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from etl_assets_tests.events.sent import Sent

Row = tuple[Any, ...]
Received = Mapping[tuple[str, str, bytes], datetime]
"""When landing received what it keeps, by source, id as sent, and digest."""

RAW = (
    "event_id, event_date, event_type, source, epoch_us(occurred_at), epoch_us(received_at), "
    "user_id, anonymous_id, product_id, order_id, price, currency, channel, quality, "
    "quality_reasons::VARCHAR, sequence, placed_by, hex(payload_digest)"
)
STAGED = (
    "event_id, has_made_id, event_date, event_type, epoch_us(occurred_at), epoch_us(source_at), "
    "epoch_us(received_at), is_late, source, visitor_id, product_id, order_id, price, currency, "
    "channel, quality, quality_reasons::VARCHAR, placed_by"
)
SESSIONS = (
    "session_id, session_date, visitor_id, epoch_us(started_at), epoch_us(ended_at), "
    "duration_seconds, event_count, page_view_count, product_view_count, cart_add_count, "
    "cart_remove_count, purchase_count, channel, epoch_us(viewed_at), epoch_us(carted_at), "
    "epoch_us(purchased_at)"
)
FUNNEL = (
    "funnel_date, channel, session_count, viewed_session_count, carted_session_count, "
    "purchased_session_count, visitor_count, viewed_visitor_count, carted_visitor_count, "
    "purchased_visitor_count"
)
ACTIVE = "active_date, active_count, known_count, anonymous_count, event_count"
QUERIES = {
    "raw.events": RAW,
    "staged.events": STAGED,
    "enriched.sessions": SESSIONS,
    "enriched.funnel_daily": FUNNEL,
    "enriched.daily_active_users": ACTIVE,
}
"""What is compared of each table of the warehouse."""

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_GAP = 1800 * 1_000_000


@dataclass(frozen=True)
class Event:
    """The copy of an event that stays."""

    event_id: str
    sent: Sent
    received: datetime

    @property
    def is_believed(self) -> bool:
        at = self.sent.at
        return at is not None and at.year >= 2000 and at <= self.received + timedelta(days=1)

    @property
    def at(self) -> datetime:
        """The moment that counts."""
        return self.sent.at if self.is_believed and self.sent.at else self.received

    @property
    def day(self) -> date:
        return self.at.date()

    @property
    def reasons(self) -> list[str]:
        one = self.sent
        return [
            *(["no moment"] if one.at is None else []),
            *(["no channel"] if one.channel is None else []),
            *(["no visitor"] if one.visitor is None else []),
            *(["the source's clock is off"] if one.at and not self.is_believed else []),
            *(["unknown channel"] if one.channel == "carrier pigeon" else []),
            *(["a negative price"] if one.cents < 0 else []),
        ]

    @property
    def quality(self) -> str:
        if not self.reasons:
            return "valid"
        if self.sent.cents < 0:
            return "invalid"
        return "incomplete" if self.reasons[0].startswith("no ") else "needs_review"


def expected(sent: Iterable[Sent], received: Received) -> dict[str, list[Row]]:
    """By table of the warehouse the rows of QUERIES, in order."""
    events = fold(sent, received)
    sessions = [row for rows in _sessions(events).values() for row in rows]
    return {
        "raw.events": ordered(map(_raw, events)),
        "staged.events": ordered(map(_staged, events)),
        "enriched.sessions": ordered(sessions),
        "enriched.funnel_daily": ordered(_funnel(sessions)),
        "enriched.daily_active_users": ordered(_active(events)),
    }


def touched_by(late: Sent) -> set[tuple[str, str]]:
    """What a late event has made again: its day, and the days whose sessions look at that."""
    assert late.at is not None
    day = late.at.date()
    own = ("raw/events", "staged/events", "enriched/daily_active_users")
    around = ("enriched/sessions", "enriched/funnel_daily")
    near = [day + timedelta(days=days) for days in (-1, 0, 1)]
    return {(table, str(day)) for table in own} | {
        (table, str(one)) for table in around for one in near
    }


def ordered(rows: Iterable[Row]) -> list[Row]:
    """The rows by their keys."""
    return sorted(rows, key=lambda row: (str(row[0]), str(row[1])))


def fold(sent: Iterable[Sent], received: Received) -> list[Event]:
    """The copy of each event that stays, by the rule that is a total order."""
    best: dict[str, Event] = {}
    for one in sent:
        if one.is_rubbish:
            continue
        event_id = one.landed_id.strip().lower()
        new = Event(event_id, one, received[one.source, one.landed_id, one.digest])
        if event_id not in best or _order(new) < _order(best[event_id]):
            best[event_id] = new
    return list(best.values())


def _order(event: Event) -> Row:
    """The copy that stays comes first."""
    one = event.sent
    return (
        -one.at.timestamp() if one.at else float("inf"),
        -(one.sequence if one.sequence is not None else -1),
        event.received,
        one.digest,
        one.source,
    )


def _us(at: datetime | None) -> int | None:
    return None if at is None else (at - _BEGIN) // timedelta(microseconds=1)


def _bought(one: Sent) -> tuple[Decimal | None, str | None]:
    return (Decimal(one.cents) / 100, "EUR") if one.order else (None, None)


def _raw(event: Event) -> Row:
    one = event.sent
    return (
        event.event_id, event.day, one.kind, one.source, _us(one.at), _us(event.received),
        one.user, one.device, one.product, one.order, *_bought(one), one.channel, event.quality,
        event.reasons, one.sequence, "source" if event.is_believed else "receipt",
        one.digest.hex().upper(),
    )  # fmt: skip


def _staged(event: Event) -> Row:
    one = event.sent
    return (
        event.event_id, one.event_id is None, event.day, one.kind, _us(event.at), _us(one.at),
        _us(event.received), event.received.date() > event.day, one.source, one.visitor,
        one.product, one.order, *_bought(one), one.channel, event.quality, event.reasons,
        "source" if event.is_believed else "receipt",
    )  # fmt: skip


def _sessions(events: Sequence[Event]) -> dict[str, list[Row]]:
    """The sessions of each visitor; nobody here is active for a whole day, so none is cut."""
    by_visitor: dict[str, list[tuple[int, str, str, str | None]]] = defaultdict(list)
    for event in events:
        if event.sent.visitor is not None and event.quality != "invalid":
            at = _us(event.at)
            assert at is not None
            told = (at, event.event_id, event.sent.kind, event.sent.channel)
            by_visitor[event.sent.visitor].append(told)
    found = {}
    for visitor, told in by_visitor.items():
        told.sort()
        parts = [[told[0]]]
        for before, now in itertools.pairwise(told):
            if now[0] - before[0] >= _GAP:
                parts.append([])
            parts[-1].append(now)
        found[visitor] = [_session(visitor, part) for part in parts]
    return found


def _session(visitor: str, part: Sequence[tuple[int, str, str, str | None]]) -> Row:
    start, end = part[0][0], part[-1][0]
    kinds = Counter(kind for _, _, kind, _ in part)
    steps: list[int | None] = []
    since: int | None = 0
    for step in ("product_view", "cart_add", "purchase"):
        since = next(
            (at for at, _, kind, _ in part if since is not None and kind == step and at >= since),
            None,
        )
        steps.append(since)
    return (
        hashlib.sha256(f"{start} {visitor}".encode()).hexdigest()[:32],
        (_BEGIN + timedelta(microseconds=start)).date(),
        visitor,
        start,
        end,
        (end - start) // 1_000_000,
        len(part),
        *(
            kinds[kind]
            for kind in ("page_view", "product_view", "cart_add", "cart_remove", "purchase")
        ),
        next((channel for *_, channel in part if channel is not None), None),
        *steps,
    )


def _funnel(sessions: Sequence[Row]) -> list[Row]:
    by_key: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for row in sessions:
        by_key[row[1], row[12] or "unknown"].append(row)
    return [
        (
            *key,
            *(sum(row[place] is not None for row in rows) for place in (0, 13, 14, 15)),
            *(len({row[2] for row in rows if row[place] is not None}) for place in (0, 13, 14, 15)),
        )
        for key, rows in by_key.items()
    ]


def _active(events: Sequence[Event]) -> list[Row]:
    by_day: dict[date, list[Event]] = defaultdict(list)
    for event in events:
        if event.quality != "invalid":
            by_day[event.day].append(event)
    rows = []
    for day, those in by_day.items():
        known = {one.sent.visitor for one in those if one.sent.user}
        devices = {one.sent.visitor for one in those if one.sent.device}
        rows.append((day, len(known) + len(devices), len(known), len(devices), len(those)))
    return rows
