"""Events of an HTTP API: each page lands with its cursor, and a poll goes on where one ended."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from etl_assets.config import HttpSettings
from etl_assets.core.errors import SourceError, SourceUnavailable
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.http_specs import CursorPages, HttpApi
from etl_assets.events.database import EventsDatabase
from etl_assets.events.poll import Polled, poll
from etl_assets.sources.http.client import HttpClient
from etl_assets_tests.http_api.server import Api, Asked, Reply, by_cursor, first, said, serve

API = HttpApi("/events", items="items", pagination=CursorPages(), connection="shop")
EVENTS = [{"id": f"E-{number}", "price": 1.5} for number in range(1, 8)]


@contextmanager
def client_of(api: Api, patience: float) -> Iterator[HttpClient]:
    settings = HttpSettings(apis={"shop": HttpConnection(url=api.url)}, patience=patience)
    with closing(HttpClient(settings, "shop")) as client:
        yield client


def polled(events: EventsDatabase, api: Api, patience: float = 60) -> Polled:
    with client_of(api, patience) as client:
        return poll(events, API, client, "shop_api")


def landed(events: EventsDatabase) -> list[str]:
    return [row[0] for row in _rows(events, "SELECT event_id FROM staging_events ORDER BY id")]


def cursor(events: EventsDatabase) -> str | None:
    found = _rows(events, "SELECT cursor FROM event_cursors WHERE source = 'shop_api'")
    return found[0][0] if found else None


def _rows(events: EventsDatabase, query: str) -> list[tuple[Any, ...]]:
    with events.transaction("reading of a test") as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def ids(*numbers: int) -> list[str]:
    return [f"E-{number}" for number in numbers]


def test_events_land_in_their_own_bytes_and_the_next_poll_reads_only_the_last_page_again(
    events: EventsDatabase,
) -> None:
    items = list(EVENTS[:5])
    with serve(by_cursor(items, 2)) as api:
        assert polled(events, api) == Polled(pages=3, new=5)
        assert polled(events, api) == Polled(pages=1, again=1)
        items += EVENTS[5:]
        assert polled(events, api) == Polled(pages=2, new=2, again=1)

    assert landed(events) == ids(1, 2, 3, 4, 5, 6, 7)
    (payload,) = _rows(events, "SELECT payload FROM staging_events WHERE event_id = 'E-1'")[0]
    assert payload == b'{"id": "E-1", "price": 1.5}'


def test_a1_a_poll_that_fails_at_a_page_goes_on_there(events: EventsDatabase) -> None:
    def fails(asked: Asked) -> Reply:
        if asked.params.get("cursor") == "c4":
            return said({"error": "no"}, 400)
        return by_cursor(EVENTS, 2)(asked)

    with serve(fails) as api:
        with pytest.raises(SourceError):
            polled(events, api)
        assert (landed(events), cursor(events)) == (ids(1, 2, 3, 4), '{"cursor": "c4"}')

        api.answers = by_cursor(EVENTS, 2)
        api.asked.clear()
        assert polled(events, api).new == 3
        assert api.asked[0].params["cursor"] == "c4"

    assert landed(events) == ids(1, 2, 3, 4, 5, 6, 7)


def test_a1_faults_that_pass_cost_no_event(events: EventsDatabase) -> None:
    faults = [
        Reply(status=503),
        said({}, 429, Retry_After="0"),
        Reply(drops=True),
        Reply(b'{"items": [{"id": "E-', cut=9),
        said({"error": "busy"}),  # a 200 that has no list
    ]
    with serve(first(faults, by_cursor(EVENTS, 3), lambda asked: True)) as api:
        assert polled(events, api).new == 7

    assert landed(events) == ids(1, 2, 3, 4, 5, 6, 7)


def test_a1_an_api_that_stays_away_moves_nothing(events: EventsDatabase) -> None:
    with serve(lambda asked: Reply(status=503)) as api, pytest.raises(SourceUnavailable):
        polled(events, api, patience=1)

    assert (landed(events), cursor(events)) == ([], None)


def test_a2_a_cursor_that_expired_begins_the_list_again_and_doubles_nothing(
    events: EventsDatabase,
) -> None:
    with serve(by_cursor(EVENTS[:4], 2)) as api:
        polled(events, api)
        api.answers = first(
            [Reply(status=410)], by_cursor(EVENTS, 2), lambda asked: "cursor" in asked.params
        )
        assert polled(events, api) == Polled(pages=4, new=3, again=4, began_again=True)

    assert landed(events) == ids(1, 2, 3, 4, 5, 6, 7)


def test_a2_events_that_repeat_and_shift_between_pages_land_once(events: EventsDatabase) -> None:
    shifting = [*EVENTS[:3], EVENTS[2], EVENTS[1], *EVENTS[3:]]
    with serve(by_cursor(shifting, 2)) as api:
        assert polled(events, api) == Polled(pages=5, new=7, again=2)

    assert landed(events) == ids(1, 2, 3, 4, 5, 6, 7)
