"""How the demo's three sources word what visitors do: an API, partners' files, webhooks. Pure.

Some is wrong on purpose: sent by two senders, corrected later, without an id, without a currency,
by a clock that stands still, or not to be read at all. A small shop has nothing that is wrong.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from etl_assets.demo.chance import seeded
from etl_assets.demo.plan import ShopPlan, is_large
from etl_assets.demo.visits import Action, Kind, actions_of

WEBHOOK: Final = "partner_webhook"
"""The source of what visitors do on the web."""

RELAY: Final = f"{WEBHOOK}_relay"
"""A second sender, which passes some of the same messages on."""

DROPS: Final = "partner_events/"
"""Where the files of the marketplace are."""

_CLOCK_OF_1970_DAYS: Final = (6, 18)
_UNREADABLE_DAYS: Final = (10, 24)
_TOO_SMALL_DAYS: Final = (13,)

_API_WORDS: Final[Mapping[Kind, str]] = {
    "page_view": "page_view",
    "product_view": "product_view",
    "cart_add": "add_to_cart",
    "cart_remove": "remove_from_cart",
    "purchase": "purchase",
}
_FILE_WORDS: Final[Mapping[Kind, str]] = {
    "page_view": "view",
    "product_view": "product",
    "cart_add": "cart+",
    "cart_remove": "cart-",
    "purchase": "order",
}
_WEBHOOK_WORDS: Final[Mapping[Kind, str]] = {
    "page_view": "page.viewed",
    "product_view": "product.viewed",
    "cart_add": "cart.item_added",
    "cart_remove": "cart.item_removed",
    "purchase": "order.placed",
}


class Message(NamedTuple):
    """A webhook of the past: who sent it, its body, and when it was received."""

    source: str
    body: bytes
    received_at: datetime


def messages(plan: ShopPlan) -> Iterator[Message]:
    """What was sent to the webhook in the plan's days."""
    for index in range(plan.days):
        rng = seeded(plan.seed, "webhooks", index)
        day = plan.day(index)
        for action in _of(plan, day, "web"):
            body = webhook_body(action, _id(day, action))
            seconds = rng.randint(1, 40)
            # A partner whose line was down sends it on one of the next days.
            days = rng.randint(1, 2) if rng.random() < 0.02 else 0
            received = action.at + timedelta(days=days, seconds=seconds)
            yield Message(WEBHOOK, _encoded(body), received)
            if not is_large(plan):
                continue
            if rng.random() < 0.015:
                yield Message(RELAY, _encoded(body), received + timedelta(minutes=5))
            if action.kind == "purchase" and rng.random() < 0.1:
                body["data"] = {**body["data"], "revision": 2, "total": "1.00"}
                yield Message(WEBHOOK, _encoded(body), received + timedelta(hours=1))
        yield from _wrong_messages(plan, index)


def webhook_body(action: Action, event_id: str) -> dict[str, Any]:
    """A message in the form of `events/mapping/partner_webhook.py`."""
    data = {
        "occurred_ms": round(action.at.timestamp() * 1000),
        "revision": 1,
        "customer_id": action.user,
        "device_id": action.device,
        "channel": action.channel,
        "product": action.product,
        "order": action.order,
        "quantity": action.quantity,
        "total": None if action.price is None else str(action.price),
        "currency": action.currency,
    }
    given = {name: value for name, value in data.items() if value is not None}
    moment = action.at.isoformat().replace("+00:00", "Z")
    kind = _WEBHOOK_WORDS[action.kind]
    return {"type": kind, "timestamp": moment, "event_id": event_id, "data": given}


@cache
def api_items(plan: ShopPlan) -> Sequence[Mapping[str, Any]]:
    """What the shop's own API lists: the actions of its app, in the order of their moments."""
    items = []
    for index in range(plan.days):
        day = plan.day(index)
        for action in _of(plan, day, "mobile"):
            item = {
                "event_id": _id(day, action),
                "type": _API_WORDS[action.kind],
                "occurred_at": action.at.isoformat(),
                "user_id": action.user,
                "anonymous_id": action.device,
                "channel": "Mobile",
                "product_id": action.product,
                "order_id": action.order,
                "quantity": action.quantity,
                "price": None if action.price is None else float(action.price),
                "currency": action.currency,
            }
            items.append(item)
        if is_large(plan) and index in _UNREADABLE_DAYS:
            # Without an offset nobody knows which moment it is.
            items[-1] = {**items[-1], "occurred_at": f"{day}T12:00:00"}
    return tuple(items)


def event_files(plan: ShopPlan) -> Mapping[str, bytes]:
    """The marketplace's files by key: JSON Lines, one a day, most of them packed."""
    files = {}
    for index in range(plan.days):
        day = plan.day(index)
        lines = [_line(day, action) for action in _of(plan, day, "marketplace")]
        if is_large(plan):
            for number, line in enumerate(lines):
                if (index + number) % 97 == 0:
                    del line["event_id"]
                if line["event"] == "order" and (index + number) % 11 == 0:
                    del line["currency"]
            if index in _TOO_SMALL_DAYS:
                lines[0]["qty"] = 0
        content = b"".join(_encoded(line) + b"\n" for line in lines)
        if is_large(plan) and index in _UNREADABLE_DAYS:
            content += b"-- end of export --\n"
        if index % 3:
            files[f"{DROPS}{day}.jsonl.gz"] = gzip.compress(content, mtime=0)
        else:
            files[f"{DROPS}{day}.jsonl"] = content
    return files


def _line(day: date, action: Action) -> dict[str, Any]:
    line = {
        "event_id": _id(day, action),
        "event": _FILE_WORDS[action.kind],
        "ts": round(action.at.timestamp()),
        "customer": action.user,
        "visitor": action.device,
        "channel": action.channel,
        "sku": action.product,
        "order_no": action.order,
        "qty": action.quantity,
        "price_cents": None if action.price is None else round(action.price * 100),
        "currency": action.currency,
    }
    return {name: value for name, value in line.items() if value is not None}


def _wrong_messages(plan: ShopPlan, index: int) -> Iterator[Message]:
    if not is_large(plan):
        return
    day = plan.day(index)
    first = _of(plan, day, "web")[0]
    if index in _CLOCK_OF_1970_DAYS:
        at = datetime(1970, 1, 1, tzinfo=UTC)
        body = webhook_body(first._replace(at=at), f"{_id(day, first)}-clock")
        yield Message(WEBHOOK, _encoded(body), first.at + timedelta(seconds=5))
    if index in _UNREADABLE_DAYS:
        body = {**webhook_body(first, f"{_id(day, first)}-return"), "type": "order.returned"}
        yield Message(WEBHOOK, _encoded(body), first.at + timedelta(minutes=1))


def _of(plan: ShopPlan, day: date, channel: str) -> Sequence[Action]:
    return [action for action in actions_of(plan, day) if action.channel == channel]


def _id(day: date, action: Action) -> str:
    return f"{day:%Y%m%d}-{action.number:05d}"


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
