"""Cursors through a whole sync: ties (C1), late commits (C2, C3), odd values (C5), clocks (C6).

Beside it runs the query of the orders system, `updated_at > watermark … LIMIT n`, and loses rows.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from etl_assets.core.checks import CURSORS
from etl_assets.core.state import Happening
from etl_assets.pipeline.rewind import rewind
from etl_assets_tests.open_transactions import writer
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put


@dataclass
class Naive:
    """The orders system's sync: one query, whose rows are appended."""

    shelf: Shelf
    limit: int = 5
    ids: list[int] = field(default_factory=list)
    watermark: str = "-infinity"

    def sync(self) -> None:
        while rows := self.shelf.sql(
            f"SELECT id, updated_at::text FROM shelf WHERE updated_at > '{self.watermark}' "
            f"ORDER BY updated_at LIMIT {self.limit}"
        ):
            self.ids += [row[0] for row in rows]
            self.watermark = rows[-1][1]

    def lost(self) -> set[int]:
        return {row[0] for row in self.shelf.wanted()} - set(self.ids)


@pytest.mark.parametrize("at_once", [3, 5])
def test_c1_ties_at_the_chunk_limit_are_all_synced_and_the_naive_query_loses_some(
    shelf: Shelf, at_once: int
) -> None:
    put(shelf, 20, stamp="'2024-05-17Z'::timestamptz + n / 7 * interval '1 second'")
    shelf = replace(shelf, policy=replace(shelf.policy, chunk_rows=at_once))
    naive = Naive(shelf, at_once)
    naive.sync()
    chunks = shelf.sync()
    assert len(naive.lost()) >= 3
    assert shelf.published() == shelf.wanted()
    assert sum(chunk.rows for chunk in chunks) == 20


def test_c1_a_mass_update_of_one_moment_is_synced_in_chunks_and_not_read_again(
    shelf: Shelf,
) -> None:
    """Not for ever, that is: once its moment lies further back than the look-back."""
    shelf = replace(shelf, table=replace(shelf.table, lookback=timedelta(seconds=1)))
    put(shelf, 20, stamp="now() - interval '2 hours'")
    shelf.sync()
    shelf.sql("UPDATE shelf SET v = 'all', updated_at = now() - interval '1 hour'")
    rewind(shelf.warehouse, shelf.table, datetime.now(UTC) - timedelta(minutes=90))
    assert [chunk.rows for chunk in shelf.sync()] == [7, 7, 6]
    assert shelf.published() == shelf.wanted()
    assert [chunk.rows for chunk in shelf.sync()] == [0]


@pytest.mark.parametrize("written_first", [True, False])
def test_c2_a_late_commit_is_synced_and_the_naive_query_loses_it(
    shelf: Shelf, written_first: bool
) -> None:
    put(shelf, 1)
    shelf.sync()
    naive = Naive(shelf)
    insert = "INSERT INTO shelf VALUES (2, '2024-05-02Z', now(), 'late', 1)"
    with writer(shelf.url, insert if written_first else "SELECT now()") as late:
        shelf.sql("INSERT INTO shelf VALUES (3, '2024-05-02Z', now(), 'early', 1)")
        naive.sync()
        (chunk,) = shelf.sync()
        assert "idle in transaction" in str(chunk.horizon.held_by)
        assert chunk.rows == 0
        if not written_first:  # a transaction that has written nothing yet has its now() already
            late.execute(insert.encode())
        late.commit()
    naive.sync()
    shelf.sync()
    assert naive.lost() == {2}
    assert shelf.published() == shelf.wanted()


def test_c3_what_a_prepared_transaction_wrote_is_synced_when_it_commits(shelf: Shelf) -> None:
    put(shelf, 1)
    shelf.sync()
    naive = Naive(shelf)
    name = f"late {shelf.url}"[:100]
    with writer(
        shelf.url,
        "INSERT INTO shelf VALUES (2, '2024-05-02Z', now(), 'prepared', 1)",
        f"PREPARE TRANSACTION '{name}'",
    ):
        pass
    try:
        shelf.sql("INSERT INTO shelf VALUES (3, '2024-05-02Z', now(), 'after it', 1)")
        naive.sync()
        (chunk,) = shelf.sync()
        assert "prepared transaction" in str(chunk.horizon.held_by)
        assert chunk.rows == 0
    finally:
        shelf.sql(f"COMMIT PREPARED '{name}'")
    naive.sync()
    shelf.sync()
    assert naive.lost() == {2}
    assert shelf.published() == shelf.wanted()


def test_c3_a_role_that_sees_no_other_session_says_so_and_stays_behind(shelf: Shelf) -> None:
    put(shelf, 1, stamp="now() - interval '2 hours'")
    database = shelf.url.split("/")[3].split("?")[0]
    role = f"blind_{database}"
    shelf.sql(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON shelf TO {role}")
    behind = replace(shelf.horizon, lag=timedelta(hours=1))
    insert = "INSERT INTO shelf VALUES (2, '2024-05-02Z', now(), 'unseen', 1)"
    try:
        with (
            reader_of(shelf.url.replace("postgres:@", f"{role}:@")) as reader,
            writer(shelf.url, insert) as unseen,
        ):
            shelf.sql("INSERT INTO shelf VALUES (3, '2024-05-02Z', now(), 'early', 1)")
            blind = replace(shelf, reader=reader, horizon=behind)
            (chunk,) = blind.sync()
            unseen.commit()
    finally:
        shelf.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert any("GRANT pg_read_all_stats" in warning for warning in chunk.horizon.warnings)
    assert [row[0] for row in shelf.published()] == [1]
    shelf.sync()
    assert shelf.published() == shelf.wanted()


ODD = "VALUES (11, NULL), (12, '2999-01-01Z'), (13, 'infinity'), (14, '-infinity')"


def test_c5_m10_rows_without_a_usable_cursor_are_synced_named_and_counted_each_time(
    shelf: Shelf,
) -> None:
    put(shelf, 3, days=1)
    shelf.sql(
        "INSERT INTO shelf SELECT n, '2024-05-01 12:00Z', stamp::timestamptz, 'odd', 1 "
        f"FROM ({ODD}) AS odd (n, stamp)"
    )
    naive = Naive(shelf)
    naive.sync()
    (chunk,) = shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert [row[0] for row in shelf.wanted()] == [1, 2, 3, 11, 12]
    (day,) = chunk.outcome.days
    (check,) = [result for result in day.results if result.check is CURSORS]
    assert (check.passed, check.blocks) == (False, False)
    assert check.evidence == {"cursor": "updated_at", "without": 1, "in_the_future": 1}
    assert day.quarantined == 2

    before = shelf.warehouse.table_state(shelf.table)
    assert before is not None
    assert before.high_watermark is not None
    assert before.high_watermark < datetime.now(UTC)
    assert chunk.without_cursor == 4
    (again,) = shelf.sync()
    assert (again.rows, [*again.outcome.days]) == (4, [])
    assert shelf.warehouse.table_state(shelf.table) == before

    shelf.sql(
        "INSERT INTO shelf VALUES (4, '2024-05-01Z', now(), 'usual', 1)",
        "UPDATE shelf SET v = 'changed' WHERE id IN (11, 12)",
        "UPDATE shelf SET updated_at = now() WHERE id = 13",
        "DELETE FROM shelf WHERE id = 14",
    )
    naive.sync()
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert 4 in naive.lost(), "one row of 2999 and its watermark never moves again"
    aside = shelf.warehouse.quarantined(shelf.table)["source_position"].to_list()
    assert aside == ["postgres:public.shelf id=14"], "of deletes no cursor tells"
    shelf.reload(FIRST_DAY)
    assert shelf.warehouse.quarantined(shelf.table).is_empty()


def test_c6_a_writer_s_clock_that_is_behind_is_caught_by_the_lookback(shelf: Shelf) -> None:
    put(shelf, 3)
    shelf = replace(shelf, table=replace(shelf.table, lookback=timedelta(seconds=20)))
    shelf.sync()
    loads = {state.load_id for state in shelf.warehouse.state(shelf.table)}
    shelf.sql(
        "INSERT INTO shelf VALUES (4, '2024-05-04Z', now() - interval '9 s', 'slow', 1)",
        "INSERT INTO shelf VALUES (5, '2024-05-05Z', now() - interval '1 h', 'too slow', 1)",
    )
    (chunk,) = shelf.sync()
    assert chunk.rows == 4
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 4]
    assert [str(day.day) for day in chunk.outcome.days] == ["2024-05-04"]
    kept = {state.load_id for state in shelf.warehouse.state(shelf.table)[:3]}
    assert kept == loads, "what was read again was published again"

    (quiet,) = shelf.sync()
    assert (quiet.rows, [*quiet.outcome.days]) == (4, [])
    assert shelf.reconcile().differences.missing["id"].to_list() == [5]
    assert shelf.published() == shelf.wanted()


def test_c6_the_watermark_follows_the_source_s_clock_and_its_history_tells_how(
    shelf: Shelf,
) -> None:
    put(shelf, 10, stamp="'2024-05-17Z'::timestamptz + n * interval '1 second'")
    before = shelf.sql("SELECT clock_timestamp()")[0][0]
    shelf.sync()
    own = shelf.warehouse.table_state(shelf.table)
    assert own is not None
    assert own.high_watermark is not None
    assert before <= own.high_watermark <= shelf.sql("SELECT clock_timestamp()")[0][0]
    entries = shelf.warehouse.history(shelf.table, Happening.WATERMARK)
    assert len(entries) == 2
