"""The status of each copy in landing is that of the set of copies, not of their order.

Schedules of all kinds are in `test_any_schedule.py`.
"""

from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import permutations
from pathlib import Path

import pytest

from etl_assets.config import ObjectStoreSettings
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.events.archive import archive
from etl_assets.events.database import EventsDatabase
from etl_assets.events.load import load
from etl_assets.events.replay import replay
from etl_assets.sources.files.writable import WritableStore
from etl_assets_tests.events.arrivals import Meant, fold, statuses_of
from etl_assets_tests.events.store import RULES, Store

A_DAY = 24 * 3600
OLD = Meant("x", product="old", received=1)
OLD_COPY = replace(OLD, event_id=" X", received=2)
NEW = Meant("x", happened=5, product="new", received=6)
NEW_COPY = replace(NEW, event_id="X ", received=7)


def test_copies_of_the_one_before_are_superseded_and_those_of_the_next_one_duplicates(
    store: Store,
) -> None:
    store.land([OLD, OLD_COPY])
    store.load()
    assert store.statuses() == {"loaded": 1, "duplicate": 1}
    store.land([NEW])
    store.load()
    assert store.statuses() == {"loaded": 1, "superseded": 2}
    assert store.landed() == statuses_of([OLD, OLD_COPY, NEW])


def test_a_copy_that_lost_to_an_older_event_becomes_a_duplicate_when_its_content_stays(
    store: Store,
) -> None:
    # The earlier digest of two that are equal otherwise stays; its own copy is received too late.
    one, other = (Meant("x", product=product, received=50) for product in "pq")
    first, last = sorted((one, other), key=lambda meant: meant.digest)
    again = replace(first, event_id="X", received=60)
    for arrival in (last, again, first):
        store.land([arrival])
        store.load()
    assert store.landed() == statuses_of([last, again, first])
    assert store.landed()["shop_api", "X", again.digest] == "duplicate"


@pytest.mark.thorough
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_any_order_of_four_copies_gives_the_same_statuses(store: Store, limit: int) -> None:
    copies = [OLD, OLD_COPY, NEW, NEW_COPY]
    for order in permutations(copies):
        store.clear()
        for arrival in order:
            store.land([arrival])
        store.load(limit)
        assert store.landed() == statuses_of(copies)


def test_a_batch_that_the_server_refuses_in_part_settles_all_copies_of_an_event(
    store: Store,
) -> None:
    arrivals = [
        Meant("a", product="refused"),
        *(replace(OLD, event_id=event_id) for event_id in ("x", "X", " x")),
        *(replace(NEW, event_id=event_id) for event_id in ("x", "X", " x")),
    ]
    store.sql("ALTER TABLE events ADD CHECK (product_id <> 'refused')")
    store.land(arrivals)
    load(store.database, replace(RULES, attempts=1))
    refused, *stored = arrivals
    expected = statuses_of(stored) | {("shop_api", "a", refused.digest): "quarantined"}
    assert store.landed() == expected


def test_only_copies_that_do_not_stay_have_an_id_to_be_found_by(store: Store) -> None:
    store.land([OLD, OLD_COPY, Meant("bad", is_broken=True), Meant("alone")])
    store.load()
    store.land([NEW])
    store.load()
    known = "SELECT status, known_as FROM staging_events ORDER BY 1, 2"
    assert store.sql(known) == [
        ("loaded", None),
        ("loaded", None),
        ("quarantined", None),
        ("superseded", "x"),
        ("superseded", "x"),
    ]


def test_copies_that_lost_are_found_by_their_index(store: Store) -> None:
    from etl_assets.events import merge

    digest = "decode(repeat('ab', 32), 'hex')"
    statement = merge._COMPARE.replace("%b::text[]", "ARRAY['x', 'y']")
    statement = statement.replace("%b::bytea[]", f"ARRAY[{digest}, {digest}]")
    store.sql(
        "INSERT INTO staging_events (source, event_id, payload, digest, ingested_at, status, "
        f"known_as) SELECT 's', n::text, '', {digest}, now(), 'superseded', n::text "
        "FROM generate_series(1, 20000) n",
        "ANALYZE staging_events",
    )
    plan = "\n".join(line for (line,) in store.sql(f"EXPLAIN {statement}"))
    assert "staging_events_gave_way" in plan


def test_a_replay_of_the_archive_gives_the_same_events_and_statuses(
    store: Store, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    arrivals = [
        *(OLD_COPY, NEW, OLD, NEW_COPY, Meant("bad", is_broken=True)),
        Meant("y", "partner_files", happened=-60, received=A_DAY),
        Meant("Y", "partner_webhook", happened=-60, received=A_DAY, product="q"),
    ]
    for arrival in arrivals:
        store.land([arrival])
        store.load()
    folder = WritableStore(ObjectStoreSettings(), (tmp_path / "archive").as_uri())
    archive(store.database, folder)
    name = f"replayed_{tmp_path.name}"
    postgres.ensure_database(name)
    with closing(EventsDatabase(postgres.url(name))) as database:
        database.make_ready()
        replayed = Store(postgres.url(name), database)
        replay(database, folder, date(2024, 3, 1), date(2024, 3, 31))
        replayed.load()
        assert replayed.rows() == store.rows() == fold(arrivals)
        assert replayed.landed() == store.landed() == statuses_of(arrivals)
