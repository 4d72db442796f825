"""A source that changes while it is read: locks, snapshots, column swaps, killed backends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.errors import ContractMismatch, SourceUnavailable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import load_days
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.sources.reads import Days
from etl_assets_tests.checksums import form_of, frame_sums, source_sums
from etl_assets_tests.source_tables import DAY, plain_table, read_day, reader_of, run, snapshot_of

NEXT = DAY + timedelta(days=1)
TABLE = plain_table({"v": pl.String})


def fill(url: str) -> None:
    run(
        url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, v text)",
        "INSERT INTO things SELECT n, '2024-05-17 00:00Z'::timestamptz + n % 2 * interval '1 day',"
        " 'v' || n FROM generate_series(1, 1000) n",
    )


def until(url: str, condition: str) -> None:
    """Ask the server until the condition on its sessions holds; fails after 20 s."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = '20s'")
        connection.execute(
            f"DO $$ BEGIN WHILE NOT ({condition}) LOOP PERFORM pg_stat_clear_snapshot(),"
            " pg_sleep(0.005); END LOOP; END $$".encode()
        )


def until_someone_waits(url: str) -> None:
    until(
        url,
        "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()))",
    )


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Run `work` in a thread that must have ended well soon after the block."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
    assert not thread.is_alive()
    assert not failed


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE things",
        "ALTER TABLE things ALTER v TYPE varchar(9) USING 'new'",
        "DROP TABLE things",
    ],
)
def test_c9_truncate_and_a_rewriting_alter_wait_for_us_and_we_see_the_old_rows(
    database_url: str, statement: str
) -> None:
    fill(database_url)
    old = frame_sums(read_day(database_url, TABLE)[0])

    with meanwhile(lambda: None), snapshot_of(database_url, TABLE) as snapshot:
        thread = threading.Thread(target=run, args=(database_url, statement))
        thread.start()
        until_someone_waits(database_url)
        read = snapshot.day(DAY)
        count = read.evidence().row_count
        rows = pl.concat(read.batches())
        assert thread.is_alive()
    thread.join(30)

    assert not thread.is_alive()
    assert count == 500
    assert frame_sums(rows) == old


def test_c9_a_truncate_that_is_under_way_is_waited_for_and_its_rows_are_seen(
    database_url: str,
) -> None:
    fill(database_url)
    seen: list[int] = []

    def read() -> None:
        rows, evidence = read_day(database_url, TABLE)
        seen.extend([rows.height, evidence.row_count or 0])

    with psycopg.connect(database_url) as other:
        other.execute("TRUNCATE things")
        other.execute("INSERT INTO things VALUES (1, '2024-05-17', 'new')")
        with meanwhile(read):
            until_someone_waits(database_url)
            other.commit()

    # A snapshot older than the lock would see neither the old rows nor the new one.
    assert seen == [1, 1]


def test_c4_a_row_that_moves_between_days_while_we_read_is_read_once(database_url: str) -> None:
    fill(database_url)

    with snapshot_of(database_url, TABLE) as snapshot:
        first = pl.concat(snapshot.day(DAY).batches())
        run(
            database_url,
            "UPDATE things SET day_at = day_at + interval '1 day' WHERE id % 2 = 0",
            "INSERT INTO things VALUES (5000, '2024-05-18', 'late')",
            "DELETE FROM things WHERE id = 1",
        )
        second = pl.concat(snapshot.day(NEXT).batches())

    assert sorted([*first["id"], *second["id"]]) == list(range(1, 1001))


def test_the_moment_of_a_snapshot_is_not_after_what_it_does_not_see(database_url: str) -> None:
    fill(database_url)
    with snapshot_of(database_url, TABLE) as snapshot:
        now = run(database_url, "SELECT clock_timestamp()")[0][0]
        assert snapshot.as_of < now
        assert snapshot.as_of.utcoffset() == timedelta(0)


def swap(url: str) -> None:
    run(
        url,
        "ALTER TABLE things RENAME v TO x",
        "ALTER TABLE things RENAME w TO v",
        "ALTER TABLE things RENAME x TO w",
    )


def test_c10_columns_that_swapped_names_between_attempts_stop_the_load(database_url: str) -> None:
    fill(database_url)
    run(database_url, "ALTER TABLE things ADD w text DEFAULT 'w'")
    table = plain_table({"v": pl.String, "w": pl.String})

    with reader_of(database_url) as reader:
        source = PostgresSource(reader, table)
        with source.open() as snapshot:
            snapshot.day(DAY).evidence()
        swap(database_url)
        with pytest.raises(ContractMismatch, match="columns of raw/things changed"), source.open():
            pass
        with PostgresSource(reader, table).open():
            pass  # another load starts from what is there now


def test_c10_names_cannot_be_swapped_within_a_snapshot(database_url: str) -> None:
    fill(database_url)
    run(database_url, "ALTER TABLE things ADD w text DEFAULT 'w'")
    table = plain_table({"v": pl.String, "w": pl.String})

    with meanwhile(lambda: None), snapshot_of(database_url, table) as snapshot:
        thread = threading.Thread(target=swap, args=(database_url,))
        thread.start()
        until_someone_waits(database_url)
        rows = pl.concat(snapshot.day(DAY).batches())
    thread.join(30)

    assert set(rows["w"]) == {"w"}


def test_c11_a_column_added_between_attempts_stops_nothing(database_url: str) -> None:
    fill(database_url)
    with reader_of(database_url) as reader:
        source = PostgresSource(reader, TABLE)
        with source.open():
            pass
        run(database_url, "ALTER TABLE things ADD extra text", "ALTER TABLE things DROP extra")
        with source.open() as snapshot:
            assert snapshot.day(DAY).evidence().row_count == 500


@dataclass
class Observed:
    """A source that notes how often it is opened, and disarms what kills it before the second."""

    inner: PostgresSource
    url: str
    opened: int = 0
    errors: list[SourceUnavailable] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Days]:
        self.opened += 1
        if self.opened == 2:
            run(self.url, "DELETE FROM armed")
        try:
            with self.inner.open() as snapshot:
                yield snapshot
        except SourceUnavailable as error:
            self.errors.append(error)
            raise


def test_c14_a_backend_killed_in_mid_read_is_replaced_and_its_day_read_again(
    database_url: str, tmp_path: Path
) -> None:
    run(
        database_url,
        "CREATE TABLE armed AS SELECT true AS yes",
        "CREATE TABLE stored (id bigint, day_at timestamptz, v text)",
        "INSERT INTO stored SELECT n, '2024-05-17 00:00Z'::timestamptz + n / 20000 * "
        "interval '1 day', repeat(md5(n::text), 20) FROM generate_series(1, 45000) n",
        # The backend kills itself, as an administrator would, 15,000 rows into the second day.
        "CREATE VIEW things AS SELECT id, day_at, CASE WHEN id = 35000 AND EXISTS (TABLE armed) "
        "THEN pg_terminate_backend(pg_backend_pid())::text ELSE v END AS v FROM stored",
    )
    days = [DAY + timedelta(days=n) for n in range(3)]

    with reader_of(database_url) as reader:
        source = Observed(PostgresSource(reader, TABLE), database_url)
        loaded = list(load_days(TABLE, source, days, Published(), tmp_path, "run"))

    assert (source.opened, len(source.errors)) == (2, 1)
    assert "57P01" in source.errors[0].what
    forms = {"id": "t.id::text", "day_at": form_of("moment", "t.day_at")}
    forms["v"] = form_of("text", "t.v")
    for day, result in zip(days, loaded, strict=True):
        assert isinstance(result, LoadedDay)
        window = f"day_at >= '{day} 00:00Z' AND day_at < '{day + timedelta(days=1)} 00:00Z'"
        expected = source_sums(database_url, "stored", window, forms)
        assert frame_sums(pl.read_parquet(result.files.files)) == expected
        assert result.is_good
