"""Keys of more than one row (R9): which are told, over which days and rows."""

from datetime import date

import polars as pl

from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import Parent
from etl_assets_tests.changing import LATER, MUCH, changing_table, frame_of, make_things
from etl_assets_tests.hazards.key_pairs import (
    ALL,
    BIRTH,
    EVERY_DAY,
    PAIR,
    PAIRS,
    keys,
    make_pairs,
    pairs_of,
)
from etl_assets_tests.source_tables import read_day, run, snapshot_of


def test_r9_repeated_keys_are_told_over_all_days_and_null_is_equal_to_null(
    database_url: str,
) -> None:
    make_pairs(database_url, *ALL, "1, NULL", "NULL, NULL", "2, 'a'")
    run(database_url, "UPDATE things SET day_at = day_at + v * interval '1 day'")
    with snapshot_of(database_url, PAIRS) as snapshot:
        assert not snapshot.key_is_unique
        repeated = snapshot.repeated_keys(EVERY_DAY)
        assert repeated.schema == pl.Schema(PAIR)
        assert pairs_of(repeated) == [(1, None), (2, "a"), (None, None)]
        some = snapshot.repeated_keys(EVERY_DAY, keys((1, None), (1, "a"), (9, None)))
        assert pairs_of(some) == [(1, None)]
        assert snapshot.repeated_keys(EVERY_DAY, keys()).is_empty()


def test_r9_only_rows_on_the_days_of_the_scope_count(database_url: str) -> None:
    # The case: key_in_two_days.sql, and one whose other row has no day or an earlier one.
    make_pairs(database_url, *["1, 'a'"] * 2, *["2, 'a'"] * 2, *["3, 'a'"] * 2)
    run(
        database_url,
        "UPDATE things SET day_at = CASE v WHEN 1 THEN '2024-05-18' WHEN 3 THEN '2023-12-31'"
        " WHEN 5 THEN NULL ELSE day_at END",
    )
    with snapshot_of(database_url, PAIRS) as snapshot:
        assert pairs_of(snapshot.repeated_keys(EVERY_DAY)) == [(1, "a")]
        assert pairs_of(snapshot.repeated_keys(None)) == [(1, "a"), (2, "a")]
        closed = Scope(date(2023, 12, 31), date(2024, 5, 17))
        assert pairs_of(snapshot.repeated_keys(closed)) == [(2, "a")]


def test_r9_a_row_that_no_dtype_holds_counts_but_a_key_that_none_holds_does_not(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE TABLE things (id numeric, amount numeric, day_at timestamptz,"
        f" updated_at timestamptz DEFAULT {BIRTH})",
        "INSERT INTO things SELECT split_part(v, ' ', 1)::numeric, split_part(v, ' ', 2)::numeric,"
        f" {BIRTH} FROM unnest('{{1 1,1 NaN,NaN 1,NaN 2,1e30 1,1e30 1,2 NaN}}'::text[]) v",
    )
    dtypes = {"id": pl.Decimal(9, 2), "amount": pl.Decimal(9, 2)}
    with snapshot_of(database_url, changing_table(dtypes, key=("id",))) as snapshot:
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert repeated.cast(pl.String)["id"].to_list() == ["1.00"]


def test_r9_the_evidence_of_a_day_names_the_keys_that_stand_elsewhere_too(
    database_url: str,
) -> None:
    make_pairs(database_url, "1, 'a'", "1, 'a'", "2, 'a'")
    run(database_url, "UPDATE things SET day_at = day_at + interval '1 day' WHERE v = 1")
    _, evidence = read_day(database_url, PAIRS)
    assert evidence.repeated is not None
    assert pairs_of(evidence.repeated) == [(1, "a")]


def test_r9_texts_are_told_apart_that_are_equal_as_numbers(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (k numeric, day_at timestamptz, updated_at timestamptz)",
        f"INSERT INTO things SELECT k, {BIRTH}, {BIRTH} FROM unnest("
        "'{1.0,1.00,1.000,2.0,2.0}'::numeric[]) k",
    )
    table = changing_table({"k": pl.String}, key=("k",))
    with snapshot_of(database_url, table) as snapshot:
        found = frame_of(snapshot.by_keys(pl.DataFrame({"k": ["1.00", "2.0", "1"]})))
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert sorted(found["k"]) == ["1.00", "2.0", "2.0"]
    assert repeated["k"].to_list() == ["2.0"]


def test_r9_a_line_whose_parent_is_there_twice_is_read_twice_and_told(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint, day timestamptz)",
        "CREATE TABLE things (id bigint PRIMARY KEY, owner_id bigint, updated_at timestamptz)",
        f"INSERT INTO owners VALUES (1, {BIRTH}), (1, {BIRTH} + interval '1 day'), (2, {BIRTH})",
        f"INSERT INTO things VALUES (7, 1, {BIRTH}), (8, 2, {BIRTH})",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "day"})
    table = changing_table(parent=parent)
    with snapshot_of(database_url, table) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 9, MUCH)).height == 3
        assert not snapshot.key_is_unique
        assert snapshot.repeated_keys(EVERY_DAY)["id"].to_list() == [7]
    run(
        database_url,
        "DELETE FROM owners WHERE day > '2024-05-17 12:00Z'",
        "CREATE UNIQUE INDEX ON owners (id)",
    )
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique


def test_r9_where_the_key_is_unique_nothing_is_asked(database_url: str) -> None:
    make_things(database_url, f"SELECT n, {BIRTH}, {BIRTH} FROM generate_series(1, 9) n")
    with snapshot_of(database_url, changing_table()) as snapshot:
        assert snapshot.repeated_keys(EVERY_DAY, pl.DataFrame({"id": [1]})).is_empty()
        scanned = snapshot.connection.execute(
            "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert scanned == (0,)
