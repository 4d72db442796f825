"""Source columns that change under a table that syncs: refused, widened (C10), or kept (C11)."""

import json

import polars as pl
import pytest

from etl_assets.core.errors import ContractMismatch
from etl_assets.core.policies import Drift
from etl_assets_tests.changing import LATER, MUCH, START, changing_table, frame_of, make_things
from etl_assets_tests.source_tables import plain_table, run, snapshot_of


def test_c10_a_renamed_or_retyped_column_is_refused_with_both_sides_and_widening_is_not(
    database_url: str,
) -> None:
    make_things(database_url, "SELECT 1, '2024-05-17', '2024-05-17'::timestamptz, 7", ", v int4")
    table = changing_table({"v": pl.Int64})
    run(database_url, "ALTER TABLE things ALTER v TYPE int8")
    with snapshot_of(database_url, table) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 9, MUCH))["v"].to_list() == [7]
    run(database_url, "ALTER TABLE things ALTER v TYPE text")
    with (
        pytest.raises(ContractMismatch, match=r"'v' is text in the source.*contract's Int64"),
        snapshot_of(database_url, table),
    ):
        pass
    run(database_url, "ALTER TABLE things RENAME v TO w")
    with (
        pytest.raises(ContractMismatch, match=r"no column v, .*; it has id, .*, w\."),
        snapshot_of(database_url, table),
    ):
        pass


OVERFLOW = {"rest": {"logical": "json"}}


def test_c11_new_columns_are_kept_as_json_where_the_table_evolves(database_url: str) -> None:
    names = [f"c{n}" for n in range(120)]  # more than json_build_object takes
    make_things(
        database_url,
        "VALUES (1, '2024-05-17'::timestamptz, '2024-05-17'::timestamptz,"
        " 1.50::numeric, NULL::jsonb), (2, '2024-05-17', '2024-05-17', 'NaN', '{\"a\": [1.0]}')",
        ', "we ""ird" numeric, doc jsonb' + "".join(f", {name} int DEFAULT 1" for name in names),
    )
    table = changing_table(
        {"rest": pl.String}, options=OVERFLOW, drift=Drift.EVOLVE, overflow_column="rest"
    )
    with snapshot_of(database_url, table) as snapshot:
        rest = frame_of(snapshot.changes(None, LATER, 9, MUCH))["rest"]
        assert snapshot.columns[3:5] == (('we "ird', "numeric"), ("doc", "jsonb"))
    assert '"we \\"ird":1.50' in rest[0]
    first, second = json.loads(rest[0]), json.loads(rest[1])
    assert set(first) == {'we "ird', "doc", *names}
    assert (first["doc"], second["doc"], second['we "ird']) == (None, {"a": [1.0]}, "NaN")


def test_c11_the_overflow_is_null_where_nothing_overflows_or_the_policy_only_reports(
    database_url: str,
) -> None:
    make_things(database_url, "VALUES (1, '2024-05-17'::timestamptz, '2024-05-17'::timestamptz)")
    evolving, reporting = (
        changing_table({"rest": pl.String}, options=OVERFLOW, drift=drift, overflow_column="rest")
        for drift in (Drift.EVOLVE, Drift.REPORT)
    )
    with snapshot_of(database_url, evolving) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 9, MUCH))["rest"].to_list() == [None]
    run(database_url, "ALTER TABLE things ADD extra text DEFAULT 'x'")
    with snapshot_of(database_url, reporting) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 9, MUCH))["rest"].to_list() == [None]
    with snapshot_of(database_url, evolving) as snapshot:
        assert pl.concat(snapshot.day(START.date()).batches())["rest"].to_list() == [
            '{"extra":"x"}'
        ]


def test_a_table_that_needs_no_cursor_is_still_read_by_days(database_url: str) -> None:
    make_things(database_url, "VALUES (1, '2024-05-17'::timestamptz, NULL::timestamptz)")
    with snapshot_of(database_url, plain_table()) as snapshot:
        assert pl.concat(snapshot.day(START.date()).batches()).height == 1
