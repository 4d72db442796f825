"""Several connections read one table in one snapshot (C12, C13): as one would, whatever happens."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl_assets.core.computed import Sql
from etl_assets.core.errors import SourceError
from etl_assets.core.findings import Level
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import load_days
from etl_assets.postgres import copy
from etl_assets.postgres.server_facts import findings_of_source
from etl_assets.sources.postgres import parallel, reader, slices
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets_tests.missing import lacking
from etl_assets_tests.postgres_warehouse.pgbouncer import PROGRAM, pgbouncer
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import (
    DAY,
    UTC_MOMENT,
    layer_table,
    plain_table,
    reader_of,
    run,
)

ROWS = 4_000
PLAIN = replace(plain_table({"v": pl.String}), partition_column=None)
BY_DAY = plain_table({"v": pl.String})


@dataclass
class Seen:
    """How readings were cut, and how many connections shared each."""

    slices: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    first: int = 0
    expected: int = 0


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are cut as large ones are."""
    monkeypatch.setattr(reader, "LEAST_ROWS", 1)
    monkeypatch.setattr(slices, "LEAST_BYTES", 0)
    monkeypatch.setattr(slices, "SLICE_BYTES", 16 << 10)
    # What a table of a few pages costs is mostly to begin.
    monkeypatch.setattr(slices, "_MOST_COST", 30)


@pytest.fixture
def seen(cut_small: None, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What was done; the rows are read when all connections have joined that will."""
    noted, real, following = Seen(), reader.read_slices, parallel._Shared.next

    def read(
        first: Any, joining: Any, cut: Any, columns: Any, **more: Any
    ) -> Iterator[pl.DataFrame]:
        noted.slices.append(len(cut))
        noted.connections.append(1)
        noted.expected = len(joining)
        noted.first = first.info.backend_pid
        yield from real(first, joining, cut, columns, **more)

    def when_all_are_there(shared: Any) -> int | None:
        with shared._changed:
            answered = lambda: shared.joined + shared.absent == noted.expected  # noqa: E731
            assert shared._changed.wait_for(lambda: answered() or shared._stopped, 60)
            noted.connections[-1] = 1 + shared.joined
        return following(shared)

    monkeypatch.setattr(reader, "read_slices", read)
    monkeypatch.setattr(parallel._Shared, "next", when_all_are_there)
    return noted


def fill(url: str, rows: int = ROWS) -> None:
    run(
        url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, v text)",
        "INSERT INTO things SELECT n, '2024-05-17Z'::timestamptz + n::bigint * 86399 / "
        f"{rows} * interval '1 second', 'v' || n FROM generate_series(1, {rows}) n",
        "ANALYZE things",
    )


def frames(
    url: str, table: LayerTable, workers: int, day: date = DAY, **pool: Any
) -> list[pl.DataFrame]:
    """What a load is given of the day."""
    with reader_of(url, **pool) as plain:
        several = PostgresReader(plain._engine, workers=workers)
        with several.snapshot(table) as snapshot:
            read = snapshot.day(day if table.has_days else WHOLE)
            read.evidence()
            return list(read.batches())


def sessions(url: str) -> list[tuple[Any, ...]]:
    return run(
        url,
        "SELECT state FROM pg_stat_activity WHERE application_name = 'etl_assets' "
        "AND datname = current_database() AND state <> 'idle'",
    )


RENAMED = "ALTER TABLE things RENAME TO base"
KINDS: dict[str, tuple[list[str], LayerTable]] = {
    "a table": ([], PLAIN),
    "a day of a table": ([], BY_DAY),
    "a day that an index finds": (
        [
            "INSERT INTO things SELECT n, '2024-06-01Z', 'x' FROM generate_series(10000, 90000) n",
            "CREATE INDEX ON things (day_at)",
            "ANALYZE things",
        ],
        BY_DAY,
    ),
    "partitions": (
        [
            RENAMED,
            "CREATE TABLE things (LIKE base) PARTITION BY RANGE (id)",
            "CREATE TABLE few PARTITION OF things FOR VALUES FROM (1) TO (100)",
            "CREATE TABLE none PARTITION OF things FOR VALUES FROM (100) TO (101)",
            "CREATE TABLE most PARTITION OF things DEFAULT",
            "INSERT INTO things SELECT * FROM base WHERE id <> 100",
            "ANALYZE things",
        ],
        PLAIN,
    ),
    "children": (
        [
            "CREATE TABLE child (more int) INHERITS (things)",
            "INSERT INTO child SELECT * FROM things",
        ],
        PLAIN,
    ),
    "its own rows only": (
        ["CREATE TABLE child () INHERITS (things)", "INSERT INTO child SELECT * FROM things"],
        replace(PLAIN, source=PostgresTable("things", only=True)),
    ),
    "a materialised view": (
        [RENAMED, "CREATE MATERIALIZED VIEW things AS SELECT * FROM base", "ANALYZE things"],
        PLAIN,
    ),
    "a view by day": (
        [RENAMED, "CREATE VIEW things AS SELECT * FROM base", "CREATE INDEX ON base (day_at)"],
        BY_DAY,
    ),
    "a parent": (
        ["CREATE TABLE parents AS SELECT id AS pid, v AS name FROM things", "ANALYZE parents"],
        layer_table(
            {"id": pl.Int64, "name": pl.String},
            parent=Parent("parents", on={"id": "pid"}, columns={"name": "name"}),
        ),
    ),
    "no rows": (["TRUNCATE things"], PLAIN),
    "never analysed": (
        ["CREATE TABLE t AS TABLE things", "DROP TABLE things", "ALTER TABLE t RENAME TO things"],
        PLAIN,
    ),
    "rows that were updated and deleted": (
        [
            "UPDATE things SET v = v || 'u' WHERE id % 3 = 0",
            "DELETE FROM things WHERE id % 7 = 0",
            "VACUUM things",
            "INSERT INTO things SELECT n, '2024-05-17 12:00Z', 'again' "
            "FROM generate_series(100000, 100400) n",
            "ANALYZE things",
        ],
        PLAIN,
    ),
    "c12: no key, no day": (
        [
            "ALTER TABLE things DROP CONSTRAINT things_pkey, ALTER id DROP NOT NULL",
            "UPDATE things SET id = NULL WHERE id % 10 = 0",
            "UPDATE things SET day_at = NULL WHERE id % 9 = 0",
        ],
        PLAIN,
    ),
}
"""What is done to `things` before it is read, and the table."""

CUT = {kind for kind in KINDS if kind != "no rows"}


@pytest.mark.parametrize("kind", KINDS)
def test_c12_c13_several_connections_read_what_one_reads(
    database_url: str, seen: Seen, kind: str
) -> None:
    statements, table = KINDS[kind]
    table = table if kind != "a parent" else replace(table, partition_column=None)
    fill(database_url)
    run(database_url, "SELECT 1", *statements)
    alone = frames(database_url, table, 1)
    assert seen.slices == [], "one connection reads all at once"
    empty = pl.DataFrame(schema={c.name: c.dtype for c in table.columns})
    orders = []
    for workers in (2, 3):
        shared = frames(database_url, table, workers)
        rows = pl.concat([empty, *shared])
        assert_frame_equal(rows, pl.concat([empty, *alone]), check_row_order=False)
        orders.append(rows)
    assert_frame_equal(*orders)
    assert seen.connections == ([2, 3] if kind in CUT else [])
    assert all(cut >= 4 for cut in seen.slices)
    assert sessions(database_url) == []


def test_what_is_small_or_a_foreign_table_is_read_by_one(
    icu_database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url = icu_database_url
    fill(database_url)
    monkeypatch.setattr(slices, "LEAST_BYTES", 32 << 20)
    assert sum(f.height for f in frames(database_url, PLAIN, 4)) == ROWS
    monkeypatch.setattr(slices, "LEAST_BYTES", 0)
    (here,) = run(
        database_url,
        "SELECT format('dbname %L, host %L, port %L', current_database(), "
        "current_setting('unix_socket_directories'), current_setting('port'))",
    )
    run(
        database_url,
        RENAMED,
        "CREATE EXTENSION postgres_fdw",
        f"CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({here[0]})",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER here OPTIONS (user 'postgres')",
        "CREATE TABLE things (LIKE base) PARTITION BY RANGE (id)",
        "CREATE FOREIGN TABLE far PARTITION OF things DEFAULT SERVER here "
        "OPTIONS (table_name 'base')",
    )
    assert sum(f.height for f in frames(database_url, PLAIN, 4)) == ROWS
    assert seen.slices == []


def test_a_day_without_an_index_is_not_read_once_for_each_slice(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "_MOST_COST", 1.5)
    monkeypatch.setattr(slices, "SLICE_BYTES", 1 << 20)
    fill(database_url, 100_000)
    run(database_url, RENAMED, "CREATE VIEW things AS SELECT * FROM base")
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert seen.slices == []


@pytest.mark.thorough
def test_a_server_that_cannot_scan_a_range_of_pages_is_read_by_one_or_by_the_days_index(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a PostgreSQL before 14, to which a range of pages is a filter over all rows."""
    monkeypatch.setattr(slices, "_MOST_COST", 1.5)
    monkeypatch.setattr(slices, "SLICE_BYTES", 1 << 20)
    fill(database_url, 100_000)
    name = database_url.split("/")[3].split("?")[0]
    assert sum(f.height for f in frames(database_url, PLAIN, 2)) == 100_000
    assert len(seen.connections) == 1
    run(database_url, f'ALTER DATABASE "{name}" SET enable_tidscan = off')
    assert sum(f.height for f in frames(database_url, PLAIN, 2)) == 100_000
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert len(seen.connections) == 1, "by one"
    run(
        database_url,
        "INSERT INTO things SELECT n, '2024-06-01Z', 'x' FROM generate_series(200000, 700000) n",
        "CREATE INDEX ON things (day_at)",
        "ANALYZE things",
    )
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert len(seen.connections) == 2, "by spans of the day"


@pytest.mark.parametrize(("version", "says"), [("13.20", True), ("14.1", False)])
def test_doctor_says_what_a_server_before_14_reads_by_one(
    database_url: str, version: str, says: bool
) -> None:
    with reader_of(database_url) as plain:
        facts = plain.facts()
    number = int(version.split(".")[0]) * 10_000
    facts = replace(facts, told=facts.told._replace(version=number, shown_version=version))
    found = [f for f in findings_of_source("source", facts, 3600) if f.check == "large tables"]
    told = "before PostgreSQL 14 a large table is read by one connection"
    assert [(f.level, told in f.found) for f in found] == ([(Level.OK, True)] if says else [])


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_c13_what_others_write_meanwhile_is_not_seen_by_any_connection(
    postgres: Any, seen: Seen, data: st.DataObject
) -> None:
    name = f"meanwhile_{time.monotonic_ns()}"
    postgres.ensure_database(name)
    url = postgres.url(name)
    fill(url)
    writes = [
        "UPDATE things SET v = v || 'x'",
        "UPDATE things SET id = -id",
        "DELETE FROM things WHERE id % 2 = 0",
        "INSERT INTO things SELECT n, '2024-05-17Z', 'new' FROM generate_series(50000, 54000) n "
        "ON CONFLICT DO NOTHING",
        "VACUUM things",
        "VACUUM (FREEZE) things",
        "ANALYZE things",
    ]
    chosen = data.draw(st.lists(st.sampled_from(writes), min_size=1, max_size=6))
    workers = data.draw(st.integers(2, 4))
    before = pl.concat(frames(url, PLAIN, 1))
    with reader_of(url) as plain:
        several = PostgresReader(plain._engine, workers=workers)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            run(url, chosen[0])
            read.evidence()
            found = []
            for frame in read.batches():
                found.append(frame)
                if len(found) - 1 < len(chosen[1:]):
                    run(url, chosen[len(found)])
    assert_frame_equal(pl.concat(found), before, check_row_order=False)


def test_c9_who_waits_to_rewrite_the_table_keeps_nobody_from_reading_it(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He waits for the first connection, and the locks of further ones wait behind him."""
    monkeypatch.setattr(parallel, "_LOCK_TIMEOUT", "100ms")
    fill(database_url)
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        with several.snapshot(PLAIN) as snapshot:
            thread = threading.Thread(target=run, args=(database_url, "VACUUM FULL things"))
            thread.start()
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass"
            )
            while run(database_url, waiting) != [(1,)]:
                time.sleep(0.01)
            read = snapshot.day(WHOLE)
            read.evidence()
            rows = sum(frame.height for frame in read.batches())
            assert thread.is_alive()
    thread.join(30)
    assert (rows, seen.connections) == (ROWS, [1])


def test_connections_that_cannot_be_had_are_done_without(database_url: str, seen: Seen) -> None:
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS lonely",
        "CREATE ROLE lonely LOGIN CONNECTION LIMIT 2",
        "GRANT SELECT ON things TO lonely",
    )
    url = database_url.replace("postgres:@", "lonely:@", 1)
    assert url != database_url
    assert sum(f.height for f in frames(url, PLAIN, 4)) == ROWS
    assert seen.connections == [2]


def test_rows_that_policies_hide_are_hidden_from_every_connection(
    database_url: str, seen: Seen
) -> None:
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS narrow",
        "CREATE ROLE narrow LOGIN",
        "GRANT SELECT ON things TO narrow",
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY odd ON things FOR SELECT TO narrow USING (id % 2 = 1)",
    )
    url = database_url.replace("postgres:@", "narrow:@", 1)
    table = replace(PLAIN, source=PostgresTable("things", row_security=True))
    assert sum(f.height for f in frames(url, table, 3)) == ROWS // 2
    assert seen.connections == [3]


@dataclass
class Loads:
    """A load of `things` whole, and what came of it."""

    url: str
    folder: Path
    table: LayerTable = PLAIN

    def load(self, workers: int) -> LoadedDay:
        with reader_of(self.url) as plain:
            source = PostgresSource(PostgresReader(plain._engine, workers=workers), self.table)
            (loaded,) = load_days(self.table, source, [WHOLE], Published(), self.folder, "run")
        assert isinstance(loaded, LoadedDay), loaded
        return loaded


@pytest.mark.parametrize("victim", ["the first", "another"])
def test_c14_a_backend_that_is_killed_ends_all_and_the_load_begins_again(
    database_url: str, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    fill(database_url)
    real, killed = copy.copy_frames, list[int]()

    def dying(
        connection: psycopg.Connection[Any], *given: Any, **more: Any
    ) -> Iterator[pl.DataFrame]:
        pid = connection.info.backend_pid
        if not killed and (pid == seen.first) is (victim == "the first"):
            killed.append(pid)
            run(database_url, f"SELECT pg_terminate_backend({pid})")
        yield from real(connection, *given, **more)

    monkeypatch.setattr(parallel, "copy_frames", dying)
    loaded = Loads(database_url, tmp_path).load(2)
    assert (loaded.rows, loaded.is_good, len(killed)) == (ROWS, True, 1)
    assert len(seen.connections) == 2


def test_an_expression_that_fails_for_a_row_names_it(database_url: str, seen: Seen) -> None:
    fill(database_url)
    run(database_url, "UPDATE things SET v = 'none' WHERE id = 3333")
    table = replace(
        layer_table({"id": pl.Int64, "n": pl.Int64}),
        partition_column=None,
        source=PostgresTable("things", computed={"n": Sql("substr(t.v, 2)::bigint")}),
    )
    for workers in (1, 3):
        with pytest.raises(SourceError, match=r"fails for the row id=3333"):
            frames(database_url, table, workers)
    assert sessions(database_url) == []


def test_rows_of_each_rule_are_set_aside_in_the_same_order(
    database_url: str, tmp_path: Path, seen: Seen
) -> None:
    fill(database_url)
    table = replace(
        layer_table(
            {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, {"v": {"str_endswith": "0"}}
        ),
        partition_column=None,
    )
    found = [
        Loads(database_url, tmp_path / str(workers), table).load(workers) for workers in (1, 2, 3)
    ]
    told = [
        (day.rows, day.quarantined, day.results, day.preview, day.high_watermark) for day in found
    ]
    aside = [pl.read_parquet(day.quarantine.files).drop("quarantined_at") for day in found]
    for other in (1, 2):
        assert_frame_equal(told[0][3], told[other][3])
        assert told[0][:3] == told[other][:3]
        assert_frame_equal(aside[0], aside[other])
    assert seen.connections == [2, 3]


def test_who_stops_early_leaves_no_thread_and_no_statement(database_url: str, seen: Seen) -> None:
    fill(database_url, 40_000)
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        for _ in range(3):
            with several.snapshot(PLAIN) as snapshot:
                read = snapshot.day(WHOLE)
                read.evidence()
                batches = read.batches()
                next(batches)
                batches.close()
                names = {thread.name for thread in threading.enumerate()}
                assert not names & {"slice-reader", "copy-pump"}
                assert snapshot.connection.execute("SELECT 1").fetchone() == (1,)
            assert sessions(database_url) == []


def test_a_reader_that_is_waited_for_holds_no_more_than_is_allowed(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WAITING_BYTES", 200_000)
    fill(database_url, 100_000)
    most, real = [0], parallel._Shared.put

    def put(shared: Any, number: int, frame: pl.DataFrame) -> bool:
        done = real(shared, number, frame)
        most[0] = max(most[0], shared._bytes)
        return done

    monkeypatch.setattr(parallel._Shared, "put", put)
    rows = 0
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=4)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            read.evidence()
            for frame in read.batches():
                rows += frame.height
                time.sleep(0.01)
                largest = frame.estimated_size()
    assert rows == 100_000
    assert 0 < most[0] <= 200_000 + 5 * 4 * largest


def test_a_server_that_cannot_hand_its_snapshot_on_is_read_by_one(
    database_url: str, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some that only speak PostgreSQL's protocol; here the function is hidden from the role."""
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS plain",
        "CREATE ROLE plain LOGIN",
        "GRANT SELECT ON things TO plain",
        "REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC",
    )
    loaded = Loads(database_url.replace("postgres:@", "plain:@", 1), tmp_path).load(3)
    assert (loaded.rows, seen.connections) == (ROWS, [])


def test_who_waits_for_a_pooler_keeps_nobody_waiting(
    postgres: EmbeddedPostgres, database_url: str, cut_small: None, tmp_path: Path
) -> None:
    """PgBouncer has three connections to the server, and lets the fourth wait for two minutes."""
    if PROGRAM is None:
        lacking("PgBouncer is not installed", "apt-get install pgbouncer")
    fill(database_url, 100_000)
    with pgbouncer(postgres, tmp_path) as port:
        name = database_url.split("/")[3].split("?")[0]
        url = f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable"
        began = time.monotonic()
        rows = pl.concat(frames(url, PLAIN, 8))
        took = time.monotonic() - began
    assert rows["id"].n_unique() == rows.height == 100_000
    assert took < 60


def read_slowly(url: str, signs: Path) -> None:
    """In a child: takes a frame, says so, and then waits for an interrupt between frames."""
    reader.LEAST_ROWS, slices.LEAST_BYTES, slices.SLICE_BYTES = 1, 0, 16 << 10
    slices._MOST_COST = 30
    with reader_of(url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            read.evidence()
            for _ in read.batches():
                (signs / "reads").touch()
                time.sleep(0.05)


def test_an_interrupt_ends_every_statement(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 100_000)
    process = start(read_slowly, database_url, tmp_path)
    while not (tmp_path / "reads").exists():
        assert process.exitcode is None
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert ended(process, 30) == 1, "KeyboardInterrupt"
    gone = time.monotonic() + 20
    while sessions(database_url):
        assert time.monotonic() < gone
        time.sleep(0.05)
