"""The demo's webhooks of the past land once, whatever has landed before them."""

from datetime import UTC, datetime

from etl_assets.cli.demo_events import _land_messages
from etl_assets.demo.event_payloads import RELAY, WEBHOOK, messages
from etl_assets.demo.plan import ShopPlan
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, land


def test_they_land_after_demo_send_too_and_again_change_nothing(events: EventsDatabase) -> None:
    sent = Arrival(WEBHOOK, "live-1", b'{"event_id": "live-1"}', datetime.now(UTC))
    with events.transaction("sending first") as connection:
        land(connection, [sent])
    bodies = {(one.source, one.body) for one in messages(ShopPlan())}
    for _ in range(2):
        _land_messages(events)
        with events.transaction("counting") as connection:
            found = connection.execute("SELECT source, payload FROM staging_events").fetchall()
        assert {*found} == bodies | {(WEBHOOK, sent.payload)}
        assert len(found) == len(bodies) + 1
    assert {source for source, _ in bodies} == {WEBHOOK, RELAY}
