"""What the demo's events are: the same each time, worded by three sources, wrong only in a large
shop, and all of them readable by the mappers of their sources but for those that are meant."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from etl_assets.core.errors import EventRefused
from etl_assets.demo.event_payloads import RELAY, WEBHOOK, api_items, event_files, messages
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.visits import actions_of
from etl_assets.events.landing import digest_of
from etl_assets.events.shop import SOURCES
from etl_assets.events.sources import mappers_of
from etl_assets.events.transform import event_of
from etl_assets.events.vocabulary import Copy, Event, Quality

MAPPERS = mappers_of(SOURCES)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = ShopPlan()
SMALL = ShopPlan(days=3, orders_a_day=150)


def arrived(plan: ShopPlan) -> list[tuple[str, bytes, datetime]]:
    """(source, payload, receipt) of everything."""
    files = (
        gzip.decompress(content) if key.endswith(".gz") else content
        for key, content in event_files(plan).items()
    )
    return [
        *((one.source, one.body, one.received_at) for one in messages(plan)),
        *(("shop_api", json.dumps(item).encode(), NOW) for item in api_items(plan)),
        *(("partner_files", line, NOW) for file in files for line in file.splitlines()),
    ]


def read(plan: ShopPlan) -> tuple[list[Event], Counter[str]]:
    """The events, and how many payloads of each source cannot be read."""
    events, refused = [], Counter[str]()
    for number, (source, payload, at) in enumerate(arrived(plan)):
        given = json.loads(payload) if payload.startswith(b"{") else {}
        event_id = given.get("event_id") or f"sha256:{digest_of(payload).hex()}"
        copy = Copy(number, source, event_id, payload, digest_of(payload), at)
        try:
            events.append(event_of(copy, MAPPERS))
        except EventRefused:
            refused[source] += 1
    return events, refused


def test_the_same_plan_gives_the_same_bytes() -> None:
    before = arrived(PLAN)
    api_items.cache_clear()
    assert arrived(PLAN) == before
    assert actions_of(PLAN, PLAN.day(3)) != actions_of(PLAN, PLAN.day(3), "other")


def test_a_small_shop_has_nothing_that_is_wrong() -> None:
    events, refused = read(SMALL)
    assert not refused
    assert {event.quality for event in events} == {Quality.VALID}
    assert len({event.event_id for event in events}) == len(events)
    assert {event.copy.source for event in events} == {"shop_api", "partner_files", WEBHOOK}


def test_a_large_shop_has_some_of_everything() -> None:
    events, refused = read(PLAN)
    assert refused == {"shop_api": 2, "partner_files": 2, WEBHOOK: 2}
    assert set(Quality) == {event.quality for event in events}
    by_source: Mapping[str, int] = Counter(event.copy.source for event in events)
    assert by_source[WEBHOOK] > by_source["shop_api"] > by_source["partner_files"] > 500
    assert 20 < by_source[RELAY] < 100
    assert any(event.event_id.startswith("sha256:") for event in events)
    late = sum(
        event.event_date < event.copy.received_at.date()
        for event in events
        if event.copy.source == WEBHOOK
    )
    assert 20 < late < 200


def test_every_event_is_in_the_days_of_the_demo() -> None:
    events, _ = read(PLAN)
    last = PLAN.day(PLAN.days - 1)
    assert {event.event_date for event in events} == {
        PLAN.first_day + timedelta(days=n) for n in range((last - PLAN.first_day).days + 1)
    }


def test_a_device_that_two_share_names_both() -> None:
    users: dict[str, set[str]] = {}
    for index in range(PLAN.days):
        for action in actions_of(PLAN, PLAN.day(index)):
            if action.user:
                users.setdefault(action.device, set()).add(action.user)
    assert Counter(map(len, users.values()))[2] > 3
    assert {device for device, of in users.items() if len(of) > 1} <= {
        f"d-{number:04d}" for number in range(0, 901, 25)
    }
