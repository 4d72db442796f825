"""How far an event can be used, with reasons: judged from what is said in it, and nothing else."""

import re
from collections.abc import Iterator

from etl_assets.events.vocabulary import CHANNELS, EventType, Quality, Said

_OF_A_PRODUCT = (EventType.PRODUCT_VIEW, EventType.CART_ADD, EventType.CART_REMOVE)
_MOST_PIECES = 1_000
_CURRENCY = re.compile("[A-Z]{3}")


def judge(said: Said, *, is_clock_off: bool) -> tuple[Quality, tuple[str, ...]]:
    """The quality, and a reason for each thing that is wrong; the worst of them decides.

    `incomplete`: something is not said that its type needs. `needs_review`: it can be, and a
    person should look. `invalid`: it cannot be, and nothing should count it.
    """
    found = [*_missing(said), *_doubtful(said, is_clock_off=is_clock_off), *_impossible(said)]
    if not found:
        return Quality.VALID, ()
    tags = {tag for tag, _ in found}
    worst = next(tag for tag in reversed(Quality) if tag in tags)
    return worst, tuple(reason for _, reason in found)


def _missing(said: Said) -> Iterator[tuple[Quality, str]]:
    needed: dict[str, object] = {"moment": said.source_at, "channel": said.channel}
    needed["visitor"] = said.user_id or said.anonymous_id
    if said.event_type in _OF_A_PRODUCT:
        needed["product"] = said.product_id
    if said.event_type is EventType.PURCHASE:
        needed |= {"order": said.order_id, "price": said.price, "currency": said.currency}
    for what, value in needed.items():
        if value is None:
            yield Quality.INCOMPLETE, f"no {what}"


def _doubtful(said: Said, *, is_clock_off: bool) -> Iterator[tuple[Quality, str]]:
    if is_clock_off:
        yield Quality.NEEDS_REVIEW, "the source's clock is off"
    if said.channel is not None and said.channel not in CHANNELS:
        yield Quality.NEEDS_REVIEW, "unknown channel"
    if said.currency is not None and not _CURRENCY.fullmatch(said.currency):
        yield Quality.NEEDS_REVIEW, "unknown currency"
    if said.quantity is not None and said.quantity > _MOST_PIECES:
        yield Quality.NEEDS_REVIEW, f"more than {_MOST_PIECES:,} pieces"


def _impossible(said: Said) -> Iterator[tuple[Quality, str]]:
    if said.quantity is not None and said.quantity < 1:
        yield Quality.INVALID, "less than one piece"
    if said.price is not None and said.price < 0:
        yield Quality.INVALID, "a negative price"
