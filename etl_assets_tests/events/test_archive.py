"""The archive of raw payloads, and landing made again from it alone."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import SourceError, SourceUnavailable
from etl_assets.events.archive import Archived, archive
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, land
from etl_assets.events.replay import replay
from etl_assets.sources.files.writable import WritableStore
from etl_assets_tests.s3_server import S3Server

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
NINE_HOURS = timedelta(hours=9)
FIRST, LAST = date(2024, 5, 17), date(2024, 5, 19)
PAYLOADS = [
    b'{"id": 1, "price": 1.10}',
    b'{"id": 1,  "price": 1.10}',  # other bytes of the same event
    b"\x00\xff no JSON, and no UTF-8\r\n",
    '{"id": "é€\U0001f600"}'.encode(),
    b"",
]


@pytest.fixture
def empty(postgres: Any) -> Iterator[EventsDatabase]:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    with closing(EventsDatabase(postgres.url(name))) as opened:
        opened.make_ready()
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> WritableStore:
    return WritableStore(ObjectStoreSettings(), (tmp_path / "archive").as_uri())


def arrived(database: EventsDatabase, *arrivals: Arrival) -> None:
    with database.transaction("landing of a test") as connection:
        land(connection, arrivals)


def some() -> list[Arrival]:
    """Each payload from two sources, on three days."""
    return [
        Arrival(
            source, None if place % 2 else str(place), payload, NOON + timedelta(hours=9 * place)
        )
        for source in ("shop_api", "partner_webhook")
        for place, payload in enumerate(PAYLOADS)
    ]


def landed(database: EventsDatabase) -> list[tuple[Any, ...]]:
    with database.transaction("reading of a test") as connection:
        return connection.execute(
            "SELECT source, event_id, payload, digest, ingested_at FROM staging_events "
            "ORDER BY source, event_id, digest"
        ).fetchall()


def test_landing_is_made_again_from_the_archive_alone_byte_for_byte(
    events: EventsDatabase, empty: EventsDatabase, store: WritableStore
) -> None:
    arrived(events, *some())

    done = archive(events, store)

    assert (done.payloads, done.objects) == (10, 6)  # two sources, three days
    assert replay(empty, store, FIRST, LAST).landed == 10
    assert landed(empty) == landed(events)
    assert {bytes(row[2]) for row in landed(empty)} == set(PAYLOADS)


def test_what_is_archived_is_not_written_again_and_what_comes_later_is(
    events: EventsDatabase, store: WritableStore
) -> None:
    arrived(events, *some())
    archive(events, store)

    assert archive(events, store) == Archived()
    arrived(events, Arrival("shop_api", "new", b"{}", NOON))
    assert archive(events, store).payloads == 1


def test_many_payloads_are_archived_in_bounded_batches(
    events: EventsDatabase,
    empty: EventsDatabase,
    store: WritableStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etl_assets.events.archive.MOST_ROWS", 7)
    monkeypatch.setattr("etl_assets.events.archive.MOST_BYTES", 40)
    many = [Arrival("shop_api", str(n), b"x" * (n % 60), NOON) for n in range(60)]
    arrived(events, *many)

    done = archive(events, store)

    assert done.payloads == 60
    assert done.objects > 60 // 7
    assert replay(empty, store, FIRST, LAST).payloads == 60
    assert landed(empty) == landed(events)


def test_an_archiver_that_dies_before_the_payloads_are_marked_loses_and_doubles_nothing(
    events: EventsDatabase, empty: EventsDatabase, store: WritableStore
) -> None:
    class Dies(WritableStore):
        puts = 0

        def put(self, key: str, content: bytes) -> None:
            Dies.puts += 1
            if Dies.puts == 4:
                raise SourceUnavailable("The store went away.", "Run it again.")
            super().put(key, content)

    arrived(events, *some())
    dying = Dies(ObjectStoreSettings(), str(store))

    with pytest.raises(SourceUnavailable):
        archive(events, dying)
    with events.transaction("counting of a test") as connection:
        marked = connection.execute("SELECT count(archived_at) FROM staging_events").fetchone()
    assert marked == (0,)

    arrived(events, Arrival("shop_api", "later", b"{}", NOON))
    archive(events, store)
    replay(empty, store, FIRST, LAST)
    assert landed(empty) == landed(events)


def test_a_copy_that_was_received_earlier_is_archived_with_its_moment(
    events: EventsDatabase, empty: EventsDatabase, store: WritableStore
) -> None:
    arrived(events, Arrival("shop_api", "1", b"{}", NOON))
    archive(events, store)
    arrived(events, Arrival("shop_api", "1", b"{}", NOON - timedelta(hours=1)))
    archive(events, store)

    replay(empty, store, FIRST, LAST)

    assert [row[4] for row in landed(empty)] == [NOON - timedelta(hours=1)]


def test_a_replay_takes_the_days_and_the_source_that_it_is_asked_for(
    events: EventsDatabase, empty: EventsDatabase, store: WritableStore
) -> None:
    arrived(events, *some())
    archive(events, store)

    second = date(2024, 5, 18)
    replay(empty, store, second, second, "shop_api")

    assert landed(empty) == [
        row
        for row in landed(events)
        if row[0] == "shop_api" and row[4].astimezone(UTC).date() == second
    ]
    assert replay(empty, store, second, second, "shop_api").landed == 0
    assert replay(empty, store, date(2020, 1, 1), date(2020, 1, 2)).objects == 0


@pytest.mark.parametrize("what", ["changed", "no Parquet", "another payload", "cut manifest"])
def test_an_object_that_is_not_what_was_written_is_refused_by_its_name(
    what: str, events: EventsDatabase, empty: EventsDatabase, store: WritableStore
) -> None:
    arrived(events, Arrival("shop_api", "1", b'{"price": 1.10}', NOON))
    archive(events, store)
    manifest, key = store.keys("events/")
    content = store.read(key)
    if what == "changed":
        store.put(key, content[:-1] + b"X")
    elif what == "cut manifest":
        store.put(manifest, store.read(manifest)[:40])
    elif what == "no Parquet":
        store.put(key, b"hello")
        store.put(manifest, _manifest(b"hello"))
    else:
        broken = content.replace(hashlib.sha256(b'{"price": 1.10}').digest(), b"0" * 32)
        assert broken != content
        store.put(key, broken)
        store.put(manifest, _manifest(broken))

    with pytest.raises(SourceError, match=r"shop_api/2024-05-17/.*\.parquet .*cannot be trusted"):
        replay(empty, store, FIRST, LAST)

    assert landed(empty) == []


@pytest.mark.parametrize("which", [0, 1, -1])
def test_an_object_that_is_missing_beside_its_manifest_is_refused_by_its_name(
    which: int, events: EventsDatabase, empty: EventsDatabase, store: WritableStore, tmp_path: Path
) -> None:
    arrived(events, *some())
    archive(events, store)
    lost = [key for key in store.keys("events/") if key.endswith(".parquet")][which]
    (tmp_path / "archive" / lost).unlink()

    with pytest.raises(SourceError, match=rf"The object {lost} of .* is missing: its manifest"):
        replay(empty, store, FIRST, LAST)
    outside = date.fromisoformat(lost.split("/")[2]) + timedelta(days=7)
    assert replay(empty, store, outside, outside).objects == 0


def test_an_object_without_a_manifest_is_read_by_the_digests_in_it(
    events: EventsDatabase, empty: EventsDatabase, store: WritableStore, tmp_path: Path
) -> None:
    arrived(events, *some())
    archive(events, store)
    for key in store.keys("events/"):
        if key.endswith(".json"):
            (tmp_path / "archive" / key).unlink()

    assert replay(empty, store, FIRST, LAST).landed == 10


def test_a_bucket_takes_the_archive_as_a_folder_does(
    events: EventsDatabase, empty: EventsDatabase, s3: S3Server
) -> None:
    settings = s3.settings(s3.bucket(), "raw payloads")
    store = WritableStore(settings, settings.url or "")
    arrived(events, *some())

    archive(events, store)
    replay(empty, store, FIRST, LAST)

    assert landed(empty) == landed(events)


def _manifest(content: bytes) -> bytes:
    return f'{{"sha256": "{hashlib.sha256(content).hexdigest()}"}}'.encode()
