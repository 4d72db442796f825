"""Landing: byte for byte, once a copy, whoever lands it and in whatever order."""

import hashlib
import random
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest

from etl_assets.core.errors import SourceError
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import LONGEST_ID, Arrival, Cursor, Landed, cursor_of, land
from etl_assets_tests.events.tables import landed, query

AT = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def migrated(postgres: EmbeddedPostgres) -> Iterator[EventsDatabase]:
    name = f"landing_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    database = EventsDatabase(postgres.url(name))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def events(migrated: EventsDatabase) -> EventsDatabase:
    """Empty tables: a database for each test would take longer than the tests."""
    with migrated.transaction("emptying") as connection:
        connection.execute("TRUNCATE staging_events, event_cursors")
    return migrated


@pytest.fixture
def database_url(migrated: EventsDatabase) -> str:
    return migrated.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def arrival(event_id: str | None, payload: bytes = b"{}", seconds: float = 0) -> Arrival:
    return Arrival("shop", event_id, payload, AT + timedelta(seconds=seconds))


def lands(
    database: EventsDatabase, arrivals: Sequence[Arrival], cursor: Cursor | None = None
) -> Landed:
    with database.transaction("landing") as connection:
        return land(connection, arrivals, cursor)


def moments(database_url: str) -> list[tuple[str, datetime, str]]:
    return query(  # type: ignore[return-value]
        database_url, "SELECT event_id, ingested_at, status FROM staging_events ORDER BY 1"
    )


@pytest.mark.parametrize("count", [3, 3_000], ids=["few", "many, by COPY"])
def test_what_arrives_again_changes_nothing(
    events: EventsDatabase, database_url: str, count: int
) -> None:
    arrivals = [arrival(f"e{n}", b'{"n": %d}' % n) for n in range(count)]
    assert lands(events, arrivals) == Landed(new=count, again=0)
    before = query(database_url, "SELECT * FROM staging_events ORDER BY id")
    later = [arrival(f"e{n}", b'{"n": %d}' % n, seconds=9) for n in range(count)]
    assert lands(events, [*later, arrival("more")]) == Landed(new=1, again=count)
    assert query(database_url, "SELECT * FROM staging_events ORDER BY id")[:count] == before


@pytest.mark.parametrize("filler", [0, 600], ids=["few", "many, by COPY"])
def test_payloads_stay_as_they_were_byte_for_byte(
    events: EventsDatabase, database_url: str, filler: int
) -> None:
    odd = [bytes(range(256)), b"", b"\\x41\\N\t\n", '{"a":1.10}  \u2028'.encode(), b"x" * 100_000]
    lands(events, [arrival(f"{n}", payload) for n, payload in enumerate(odd)])
    lands(events, [arrival(f"filler {n}") for n in range(filler)])
    rows = query(database_url, "SELECT event_id, payload, digest FROM staging_events")
    found = {event_id: (payload, digest) for event_id, payload, digest in rows}
    for n, payload in enumerate(odd):
        assert found[f"{n}"] == (payload, hashlib.sha256(payload).digest())


def test_one_id_with_several_payloads_lands_with_each(
    events: EventsDatabase, database_url: str
) -> None:
    both = [arrival("a", b"1"), arrival("a", b"2")]
    assert lands(events, [*both, *both]) == Landed(new=2, again=2)
    assert lands(events, [Arrival("other", "a", b"1", AT)]) == Landed(new=1, again=0)
    assert len(landed(database_url)) == 3


@pytest.mark.parametrize(
    "event_id",
    [None, "", " \t", "a\0b", "x" * (LONGEST_ID + 1), "\u20ac" * LONGEST_ID, "\ud800"],
    ids=["none", "empty", "blank", "NUL", "long", "long in bytes", "half a pair"],
)
def test_w2_an_id_that_cannot_be_a_key_is_as_none(
    events: EventsDatabase, database_url: str, event_id: str | None
) -> None:
    lands(events, [arrival(event_id, b"{}")])
    assert [row[1] for row in landed(database_url)] == [
        f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    ]


def test_an_id_stays_as_the_sender_wrote_it(events: EventsDatabase, database_url: str) -> None:
    written = [" E-1 ", "e-1", "E-1", "x" * LONGEST_ID, "\u00e9\n"]
    lands(events, [arrival(one) for one in written])
    assert sorted(row[1] for row in landed(database_url)) == sorted(written)


@pytest.mark.parametrize("filler", [0, 600], ids=["few", "many, by COPY"])
def test_a_copy_that_was_received_earlier_gives_its_moment(
    events: EventsDatabase, database_url: str, filler: int
) -> None:
    lands(events, [arrival("a", seconds=60)])
    done = "UPDATE staging_events SET status = 'loaded', archived_at = now()"
    with psycopg.connect(database_url) as connection:
        connection.execute(done)
    lands(events, [arrival("a", seconds=90), *(arrival(f"b{n}") for n in range(filler))])
    assert moments(database_url)[0] == ("a", AT + timedelta(seconds=60), "loaded")
    lands(events, [arrival("a", seconds=30), *(arrival(f"c{n}") for n in range(filler))])
    assert moments(database_url)[0] == ("a", AT + timedelta(seconds=30), "pending")
    again = query(database_url, "SELECT archived_at FROM staging_events WHERE event_id = 'a'")
    assert again == [(None,)]


def test_of_copies_in_one_batch_the_earliest_received_counts(
    events: EventsDatabase, database_url: str
) -> None:
    lands(events, [arrival("a", seconds=9), arrival("a", seconds=3), arrival("a", seconds=5)])
    assert moments(database_url) == [("a", AT + timedelta(seconds=3), "pending")]


def test_a2_the_cursor_moves_with_what_landed_or_not_at_all(
    events: EventsDatabase, database_url: str
) -> None:
    lands(events, [arrival("a")], Cursor("shop", "page 1"))
    lands(events, [], Cursor("shop", "page 2"))

    def lands_and_fails() -> None:
        with events.transaction("landing") as connection:
            land(connection, [arrival("b")], Cursor("shop", "page 3"))
            connection.execute("SELECT 1 / 0")

    with pytest.raises(SourceError):
        lands_and_fails()
    with events.transaction("looking") as connection:
        assert cursor_of(connection, "shop") == "page 2"
        assert cursor_of(connection, "other") is None
    assert [row[1] for row in landed(database_url)] == ["a"]


def test_a_moment_without_a_zone_is_refused(events: EventsDatabase) -> None:
    with pytest.raises(ValueError, match="zone"):
        lands(events, [Arrival("shop", "a", b"{}", datetime(2024, 1, 1))])


@pytest.mark.parametrize("count", [400, 2_000], ids=["few", "many, by COPY"])
def test_landers_at_once_double_nothing_and_never_deadlock(
    events: EventsDatabase, database_url: str, count: int
) -> None:
    arrivals = [arrival(f"e{n % (count // 2)}", b"{}", seconds=n) for n in range(count)]
    together = Barrier(3)

    def lander(seed: int) -> int:
        mine = random.Random(seed).sample(arrivals, count)
        together.wait()
        return lands(events, mine).new

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(lander, range(3))) == count // 2
    found = moments(database_url)
    assert len(found) == count // 2
    assert {(event_id, moment) for event_id, moment, _ in found} == {
        (f"e{n}", AT + timedelta(seconds=n)) for n in range(count // 2)
    }
