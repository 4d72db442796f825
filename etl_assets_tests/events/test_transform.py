"""From a payload to an event: moments, ids, users, quality, and the words of each source. Pure."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from etl_assets.core.errors import EventRefused
from etl_assets.events.ids import canonical_id
from etl_assets.events.moments import from_epoch, from_iso, place
from etl_assets.events.shop import SOURCES
from etl_assets.events.sources import mappers_of
from etl_assets.events.transform import event_of
from etl_assets.events.vocabulary import Copy, Event, EventType, Quality

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def event(source: str, fields: object, event_id: str = "a") -> Event:
    payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return event_of(Copy(1, source, event_id, payload, b"", NOON), mappers_of(SOURCES))


@pytest.mark.parametrize(
    "text",
    ["2024-03-01T12:00:00Z", "2024-03-01T13:00:00+01:00", " 2024-03-01 06:30:00-05:30 "],
)
def test_moments_with_an_offset_are_moments_in_utc(text: str) -> None:
    assert from_iso(text) == NOON
    assert from_iso(text).tzinfo is UTC


def test_a_moment_without_an_offset_needs_a_declared_zone() -> None:
    with pytest.raises(EventRefused, match="declares no zone"):
        from_iso("2024-03-01T13:00:00")
    assert from_iso("2024-03-01T13:00:00", BERLIN) == NOON


@pytest.mark.parametrize("text", ["2024-10-27T02:30:00", "2024-03-31T02:30:00"])
def test_c17_an_hour_that_clocks_show_twice_or_never_is_refused(text: str) -> None:
    with pytest.raises(EventRefused, match="repeats or skips"):
        from_iso(text, BERLIN)


def test_numbers_count_what_the_source_declares_and_nothing_is_guessed() -> None:
    assert from_epoch(1_709_294_400, "seconds") == NOON
    assert from_epoch(1_709_294_400_000, "milliseconds") == NOON
    assert from_epoch(1_709_294_400, "milliseconds").year == 1970
    assert from_epoch(1_709_294_400.25, "seconds").microsecond == 250_000


@pytest.mark.parametrize("number", [10**18, -(10**18), float("nan"), float("inf"), 10**400])
def test_numbers_beyond_all_calendars_are_refused(number: float) -> None:
    with pytest.raises(EventRefused, match="seconds"):
        from_epoch(number, "seconds")


@pytest.mark.parametrize("text", ["", "yesterday", "2024-2-30T00:00:00Z", "2024-03-01T0:00:00Z"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(EventRefused, match="is not written as ISO 8601"):
        from_iso(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z",
        " 20260230T000000Z ",
        "2026-02-28T00:00:60.5Z",
        "2026-02-28 24:01:00+01:00",
        "2026-02-28T00:00:00+25:00",
        "2026-13-01",
        "0000-01-01T00:00:00Z",
    ],
)
def test_a_moment_that_no_calendar_has_is_refused_as_such(text: str) -> None:
    with pytest.raises(EventRefused, match="there is no such date, time or offset"):
        from_iso(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_moment_at_the_bounds_of_the_calendar_is_refused_as_such(text: str) -> None:
    with pytest.raises(EventRefused, match="at the bounds of the calendar"):
        from_iso(text)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'{"price": ' + b"1" * 5_000 + b"}", "has a number with more digits"),
        (b'{"price": 1e99999999999999999999}', "has a number with more digits, or a greater"),
        (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, "is nested more deeply than can be read"),
        (b'{"price": NaN}', "is no JSON in UTF-8"),
        (b'{"price": "\xff"}', "is no JSON in UTF-8"),
        (b"[1]", "is no JSON object"),
    ],
    ids=["digits", "exponent", "nested", "NaN", "no UTF-8", "list"],
)
def test_a_payload_that_cannot_be_read_says_what_it_is(payload: bytes, why: str) -> None:
    with pytest.raises(EventRefused, match=f"^The payload {why}"):
        event("shop_api", payload)


def test_a_clock_that_is_off_beyond_the_bound_is_placed_by_its_receipt() -> None:
    a_day = timedelta(days=1)
    at_the_bound = place(NOON + a_day, NOON)
    assert (at_the_bound.at, at_the_bound.by_receipt) == (NOON + a_day, False)
    beyond = place(NOON + a_day + timedelta(microseconds=1), NOON)
    assert (beyond.at, beyond.by_receipt, beyond.is_clock_off) == (NOON, True, True)
    never_set = place(datetime(1970, 1, 1, tzinfo=UTC), NOON)
    assert (never_set.at, never_set.is_clock_off) == (NOON, True)
    late = place(NOON - 400 * a_day, NOON)
    assert (late.at, late.by_receipt) == (NOON - 400 * a_day, False)
    unknown = place(None, NOON)
    assert (unknown.at, unknown.by_receipt, unknown.is_clock_off) == (NOON, True, False)


def test_both_moments_are_kept_of_an_event_from_a_clock_that_is_off() -> None:
    made = event("shop_api", {"type": "page_view", "occurred_at": "2024-04-01T00:00:00Z"})
    assert made.event_date == date(2024, 3, 1)
    assert made.said.source_at == datetime(2024, 4, 1, tzinfo=UTC)
    assert made.copy.received_at == NOON
    assert made.quality is Quality.NEEDS_REVIEW
    assert "the source's clock is off" in made.reasons


def test_ids_are_trimmed_and_in_lower_case() -> None:
    assert canonical_id("\t AbC-1 \n") == "abc-1"
    with pytest.raises(EventRefused):
        canonical_id("  ")


COMPLETE = {
    "shop_api": {
        "type": "purchase",
        "occurred_at": "2024-03-01T13:00:00+01:00",
        "sequence": 3,
        "user_id": " u1 ",
        "channel": "Web",
        "order_id": "o1",
        "quantity": 2,
        "price": "12.30",
        "currency": "eur",
        "new field": [1],
    },
    "partner_files": {
        "event": "ORDER",
        "ts": "1709294400",
        "version": "3",
        "customer": "u1",
        "channel": "WEB",
        "order_no": "o1",
        "qty": "2",
        "price_cents": "1230",
        "currency": "EUR",
        "sku": "",
    },
    "partner_webhook": {
        "type": "order.placed",
        "timestamp": "2024-03-05T00:00:00Z",
        "data": {
            "occurred_ms": 1_709_294_400_000,
            "revision": 3,
            "customer_id": "u1",
            "channel": "web",
            "order": "o1",
            "quantity": 2,
            "total": 12.3,
            "currency": "EUR",
        },
    },
}


@pytest.mark.parametrize("source", COMPLETE)
def test_each_source_says_the_same_in_its_own_words(source: str) -> None:
    made = event(source, COMPLETE[source])
    said = made.said
    assert (said.event_type, said.source_at, said.sequence) == (EventType.PURCHASE, NOON, 3)
    assert (said.user_id, said.channel, said.order_id, said.quantity) == ("u1", "web", "o1", 2)
    assert (said.price, said.currency, said.product_id) == (Decimal("12.30"), "EUR", None)
    assert (made.quality, made.reasons) == (Quality.VALID, ())


REFUSED = {
    "no JSON": b"{",
    "no UTF-8": b'{"type": "\xff"}',
    "no object": b"[1]",
    "no number": b'{"type": "page_view", "quantity": NaN}',
    "a number of many digits": b'{"type": "page_view", "quantity": ' + b"9" * 5000 + b"}",
    "nested deeper than anything": b"[" * 100_000,
    "no type": b"{}",
    "an unknown type": b'{"type": "secret"}',
    "a text that cannot be stored": b'{"type": "page_view", "user_id": "a\\u0000secret"}',
    "half of a character": b'{"type": "page_view", "user_id": "\\ud800secret"}',
    "a truth for a number": b'{"type": "page_view", "quantity": true}',
    "a number beyond bigint": b'{"type": "page_view", "sequence": 9223372036854775808}',
    "a price of too many digits": b'{"type": "purchase", "price": "0.00001"}',
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_an_event_is_refused_and_no_value_is_told(name: str) -> None:
    with pytest.raises(EventRefused) as caught:
        event("shop_api", REFUSED[name])
    assert "secret" not in str(caught.value)


def test_a_source_without_a_mapper_is_refused() -> None:
    with pytest.raises(EventRefused, match="No mapper"):
        event("nobody", {"type": "page_view"})


def test_partners_that_speak_alike_share_a_mapper() -> None:
    said = event("partner_webhook_acme", COMPLETE["partner_webhook"]).said
    assert said == event("partner_webhook", COMPLETE["partner_webhook"]).said
    with pytest.raises(EventRefused, match="No mapper"):
        event("partner_webhooks", COMPLETE["partner_webhook"])


@pytest.mark.parametrize(
    ("changes", "quality", "reason"),
    [
        ({"user_id": None}, Quality.INCOMPLETE, "no visitor"),
        ({"order_id": " "}, Quality.INCOMPLETE, "no order"),
        ({"occurred_at": None}, Quality.INCOMPLETE, "no moment"),
        ({"channel": "smoke signals"}, Quality.NEEDS_REVIEW, "unknown channel"),
        ({"currency": "€"}, Quality.NEEDS_REVIEW, "unknown currency"),
        ({"quantity": 5000}, Quality.NEEDS_REVIEW, "more than 1,000 pieces"),
        ({"quantity": 0}, Quality.INVALID, "less than one piece"),
        ({"price": "-1"}, Quality.INVALID, "a negative price"),
        ({"price": "-1", "user_id": None}, Quality.INVALID, "no visitor"),
    ],
)
def test_quality_is_that_of_the_worst_that_is_wrong_and_says_why(
    changes: dict[str, object], quality: Quality, reason: str
) -> None:
    made = event("shop_api", {**COMPLETE["shop_api"], **changes})
    assert made.quality is quality
    assert reason in made.reasons
