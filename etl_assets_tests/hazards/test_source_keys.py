"""Keys that are NULL (R1), and rows that no dtype holds (R5).

Keys of more than one row (R9) are in `test_source_repeated_keys.py`; where the catalogue proves
that there are none, in `test_source_unique_keys.py`.
"""

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from etl_assets.core.scope import Scope
from etl_assets.core.set_aside import REPRESENTABLE
from etl_assets.core.table import LayerTable
from etl_assets_tests.changing import changing_table, frame_of
from etl_assets_tests.hazards.key_pairs import (
    ALL,
    BIRTH,
    EVERY_DAY,
    PAIRS,
    keys,
    make_pairs,
    pairs_of,
)
from etl_assets_tests.source_tables import layer_table, run, snapshot_of


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([(1, None)], [(1, None)]),
        ([(None, None)], [(None, None)]),
        ([(None, "a"), (2, "a")], [(2, "a"), (None, "a")]),
        ([(1, "a"), (1, None), (None, None), (9, None)], [(1, "a"), (1, None), (None, None)]),
        ([(2, None), (3, None), (None, "N"), (None, "")], []),
        ([(3, ""), (3, "")], [(3, "")]),
    ],
)
def test_r1_rows_are_found_by_keys_with_null_in_them_and_no_others(
    database_url: str, wanted: list[tuple[int | None, str | None]], found: list[Any]
) -> None:
    make_pairs(database_url, *ALL)
    with snapshot_of(database_url, PAIRS) as snapshot:
        read = snapshot.by_keys(keys(*wanted))
        assert read.rows == len(found)
        assert pairs_of(frame_of(read)) == found


def test_r1_a_table_without_a_cursor_is_asked_for_keys_as_well(database_url: str) -> None:
    make_pairs(database_url, *ALL)
    table = replace(PAIRS, cursor_column=None)
    with snapshot_of(database_url, table) as snapshot:
        assert (
            pairs_of(frame_of(snapshot.by_keys(keys((1, None), (2, "N")))))
            == [
                (2, "N"),
                (1, None),
            ][::-1]
        )


def test_r1_a_key_that_no_dtype_holds_is_null_where_the_contract_says_so(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id numeric NOT NULL, day_at timestamptz, updated_at timestamptz)",
        f"INSERT INTO things SELECT n, {BIRTH}, {BIRTH}"
        " FROM unnest('{1,NaN,Infinity,2}'::numeric[]) n",
    )
    options = {"id": {"on_unrepresentable": "null"}}
    table = changing_table({"id": pl.Decimal(9, 2)}, options=options, key=("id",))
    wanted = pl.DataFrame({"id": [None, "2"]}).cast({"id": pl.Decimal(9, 2)})
    with snapshot_of(database_url, table) as snapshot:
        found = frame_of(snapshot.by_keys(wanted))
        assert found["id"].null_count() == 2
        assert found.height == 3
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert repeated["id"].to_list() == [None]


def test_r1_an_index_serves_keys_with_and_without_null(database_url: str) -> None:
    make_pairs(database_url, "0, 'x'")
    run(
        database_url,
        "INSERT INTO things SELECT n, CASE WHEN n % 2 > 0 THEN 'd' || n END, '2024-05-17',"
        " '2024-05-17' FROM generate_series(1, 100000) n",
        "CREATE INDEX ON things (id, device)",
        "ANALYZE things",
    )
    with snapshot_of(database_url, PAIRS) as snapshot:
        found = frame_of(snapshot.by_keys(keys((1, "d1"), (2, None), (3, None), (4, "d4"))))
        scans = snapshot.connection.execute(
            "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert pairs_of(found) == [(1, "d1"), (2, None)]
    assert scans == (0, True)


def test_r5_every_unreadable_row_is_told_whenever_it_was_written(database_url: str) -> None:
    # The case: unreadable_behind_cursor.sql; its cursor is older than any position.
    run(
        database_url,
        "CREATE TABLE things (id bigint, amount numeric, day_at timestamptz,"
        " updated_at timestamptz)",
        "INSERT INTO things SELECT n, 1.5, '2024-05-17', '2024-05-17' FROM generate_series(1, 9) n",
        "INSERT INTO things VALUES (901, 'NaN', '2024-05-17', '2024-01-01'),"
        " (902, 1e30, '2024-05-18', NULL), (903, 'NaN', '2023-12-31', '2024-05-17'),"
        " (904, 'NaN', NULL, '2024-05-17'), (NULL, 1, '2024-05-19', 'infinity')",
    )
    table = changing_table({"amount": pl.Decimal(18, 2)})
    with snapshot_of(database_url, table) as snapshot:
        found = snapshot.unreadable(EVERY_DAY)
        everything = snapshot.unreadable(None)
        one = snapshot.unreadable(Scope(date(2024, 5, 18), date(2024, 5, 18)))
    by_id = dict(zip(found.keys["id"], found.days, strict=True))
    assert by_id == {901: date(2024, 5, 17), 902: date(2024, 5, 18), None: date(2024, 5, 19)}
    rules = [f"{name}: {REPRESENTABLE}" for name in ("amount", "amount", "updated_at")]
    assert sorted(found.rows.rules) == rules
    assert set(everything.keys["id"]) == {901, 902, 903, None}  # 904 is on no day
    assert one.keys["id"].to_list() == [902]


def test_r5_nothing_is_asked_where_every_value_can_be_held(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, v text)")
    table = without_days({"id": pl.Int64, "v": pl.String})
    with snapshot_of(database_url, table) as snapshot:
        assert not snapshot.unreadable(EVERY_DAY).days
        scanned = snapshot.connection.execute(
            "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert scanned == (0,)


def without_days(dtypes: dict[str, Any], **more: Any) -> LayerTable:
    return replace(layer_table(dtypes, **more), partition_column=None)
