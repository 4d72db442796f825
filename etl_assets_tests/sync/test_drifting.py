"""Source columns that change under a sync (C10, C11): what each policy makes of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from etl_assets.core.checks import SCHEMA_DRIFT, CheckResult, Severity
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.policies import Drift
from etl_assets.core.state import Happening
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.sync import Chunk
from etl_assets.pipeline.sync_log import remember_columns
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put

TOUCH = "UPDATE shelf SET updated_at = now() WHERE id = {}"
ADD = "ALTER TABLE shelf ADD colour text NOT NULL DEFAULT 'red'"


def drift_check(chunk: Chunk) -> CheckResult:
    (day,) = chunk.outcome.days
    return next(result for result in day.results if result.check is SCHEMA_DRIFT)


def filled(shelf: Shelf, drift: Drift) -> Shelf:
    """Three rows are synced already, each on a day of its own."""
    shelf = replace(shelf, table=replace(shelf.table, drift=drift))
    put(shelf, 3)
    shelf.sync()
    return shelf


def test_c11_a_new_column_is_reported_with_its_type_and_not_read(shelf: Shelf) -> None:
    shelf = filled(shelf, Drift.REPORT)
    shelf.sql(ADD, TOUCH.format(2))
    (chunk,) = shelf.sync()
    check = drift_check(chunk)
    assert (check.passed, check.severity) == (False, Severity.WARN)
    assert check.evidence == {
        "not_in_contract": ["colour (text)"],
        "since_last_time": ["colour (text) was added"],
    }
    assert shelf.published() == shelf.wanted()
    newest = shelf.warehouse.history(shelf.table, Happening.COLUMNS)
    assert [len(json.loads(entry.payload)["columns"]) for entry in newest] == [6, 5]

    shelf.sql(TOUCH.format(1))
    (later,) = shelf.sync()
    assert drift_check(later).evidence == {
        "not_in_contract": ["colour (text)"],
        "since_last_time": [],
    }


def test_c11_a_frozen_table_stops_before_anything_is_published(shelf: Shelf) -> None:
    shelf = filled(shelf, Drift.FREEZE)
    before = shelf.published(), shelf.warehouse.table_state(shelf.table)
    shelf.sql(ADD, "ALTER TABLE shelf ALTER v TYPE varchar(9)", TOUCH.format(2))
    with pytest.raises(ContractMismatch) as stopped:
        shelf.sync()
    assert "colour (text) was added; v was text and is character varying(9)" in stopped.value.what
    assert "etl-assets state accept raw/shelf" in stopped.value.next_step
    assert (shelf.published(), shelf.warehouse.table_state(shelf.table)) == before

    with shelf.reader.snapshot(shelf.table) as snapshot:
        remember_columns(shelf.warehouse, shelf.table, snapshot.columns, "accepted")
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    shelf.sync()  # what it knows now is what stays frozen


def test_c11_an_evolving_table_keeps_new_columns_in_its_overflow(shelf: Shelf) -> None:
    dtypes = {"id": pl.Int64, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT, "rest": pl.String}
    table = replace(
        layer_table(dtypes, {"rest": {"logical": "json"}}, name="shelf", partition="created_at"),
        cursor_column="updated_at",
        drift=Drift.EVOLVE,
        overflow_column="rest",
        lookback=timedelta(0),
    )
    shelf = replace(shelf, table=table)
    shelf.sql("ALTER TABLE shelf DROP amount, DROP v")
    shelf.sql("INSERT INTO shelf SELECT n, '2024-05-01Z', now() FROM generate_series(1, 3) n")
    shelf.sync()
    shelf.sql(ADD, TOUCH.format(2))
    (chunk,) = shelf.sync()
    assert [row[3] for row in shelf.published()] == [None, '{"colour":"red"}', None]
    assert chunk.outcome.changed == 1
    assert not drift_check(chunk).passed
    assert shelf.reconcile().is_equal


@pytest.mark.thorough_but("retyped")
@pytest.mark.parametrize(
    ("change", "back", "says"),
    [
        ("DROP v", "ADD v text", r"no column v, .*; it has id, .*amount"),
        ("RENAME v TO w", "RENAME w TO v", r"no column v, .*; it has id, .*, w"),
        (
            "ALTER amount TYPE text",
            "ALTER amount TYPE numeric(12, 2) USING amount::numeric",
            r"'amount' is text in the source.*contract's Decimal",
        ),
    ],
    ids=["dropped", "renamed", "retyped"],
)
def test_c10_a_required_column_that_is_gone_stops_the_sync_with_both_sides(
    shelf: Shelf, change: str, back: str, says: str
) -> None:
    shelf = filled(shelf, Drift.REPORT)
    before = shelf.published(), shelf.warehouse.table_state(shelf.table)
    shelf.sql(f"ALTER TABLE shelf {change}", TOUCH.format(2))
    with pytest.raises(ContractMismatch, match=says):
        shelf.sync()
    assert (shelf.published(), shelf.warehouse.table_state(shelf.table)) == before
    shelf.sql(f"ALTER TABLE shelf {back}", "UPDATE shelf SET updated_at = now()")
    shelf.sync()
    assert shelf.published() == shelf.wanted()


def test_c10_m12_widening_that_the_contract_holds_is_accepted_and_told(shelf: Shelf) -> None:
    shelf.sql("ALTER TABLE shelf ALTER id TYPE int, ALTER v TYPE varchar(9)")
    shelf = filled(shelf, Drift.REPORT)
    shelf.sql("ALTER TABLE shelf ALTER id TYPE bigint, ALTER v TYPE text", TOUCH.format(2))
    shelf.sql("UPDATE shelf SET v = 'longer than nine' WHERE id = 2")
    (chunk,) = shelf.sync()
    assert drift_check(chunk).evidence["since_last_time"] == [
        "id was integer and is bigint",
        "v was character varying(9) and is text",
    ]
    assert shelf.published() == shelf.wanted()


def test_c10_columns_that_swap_names_between_chunks_are_read_by_name(shelf: Shelf) -> None:
    shelf.sql("ALTER TABLE shelf ADD w text DEFAULT 'w'")
    put(shelf, 14)
    chunks = shelf.chunks()
    next(chunks)
    shelf.sql(
        "BEGIN; ALTER TABLE shelf RENAME v TO x; ALTER TABLE shelf RENAME w TO v;"
        "ALTER TABLE shelf RENAME x TO w; UPDATE shelf SET updated_at = now(); COMMIT"
    )
    list(chunks)
    assert {row[3] for row in shelf.published()} == {"w"}
    assert shelf.published() == shelf.wanted()


def test_c10_a_column_that_is_retyped_between_chunks_stops_the_sync_there(shelf: Shelf) -> None:
    put(shelf, 14)
    chunks = shelf.chunks()
    next(chunks)
    before = shelf.published()
    shelf.sql("ALTER TABLE shelf ALTER amount TYPE text")
    with pytest.raises(ContractMismatch, match="'amount' is text in the source"):
        list(chunks)
    assert shelf.published() == before


def warnings_of(days: Sequence[LoadedDay]) -> list[bool]:
    """Whether the check of the columns warns, by day."""
    return [
        not result.passed for day in days for result in day.results if result.check is SCHEMA_DRIFT
    ]


def test_b9_a_load_of_many_days_warns_once(shelf: Shelf) -> None:
    shelf.sql(ADD)
    days = [FIRST_DAY + timedelta(days=n) for n in range(6)]
    shelf.sql(
        "INSERT INTO shelf SELECT n, '2024-05-01Z'::timestamptz + n * interval '1 day', now(), 'v',"
        " 1 FROM generate_series(0, 5) n"
    )
    loaded = shelf.load(*days)
    assert warnings_of(loaded) == [True, *[False] * 5]
    publish_days(shelf.warehouse, shelf.table, loaded, "load")
    failed = [state.failed_checks for state in shelf.warehouse.state(shelf.table)]
    assert failed == ["schema_drift", *[None] * 5]


def test_b9_a_sync_of_many_days_warns_once(shelf: Shelf) -> None:
    shelf.sql(ADD)
    shelf.policy = replace(shelf.policy, chunk_rows=100)
    put(shelf, 9, days=3)
    (chunk,) = shelf.sync()
    assert warnings_of(chunk.outcome.days) == [True, False, False]


@pytest.mark.thorough_but("freeze")
@pytest.mark.parametrize("policy", Drift)
def test_b9_a_column_that_is_left_out_on_purpose_warns_nobody(shelf: Shelf, policy: Drift) -> None:
    shelf = filled(shelf, policy)
    shelf.table = replace(shelf.table, ignore=("colour", "nowhere"))
    shelf.sql(ADD, TOUCH.format(2))
    (chunk,) = shelf.sync()
    assert warnings_of([*chunk.outcome.days, *shelf.load(FIRST_DAY)]) == [False, False]
    assert not chunk.drift.found
    shelf.sql("ALTER TABLE shelf ALTER colour TYPE varchar(9)", TOUCH.format(1))
    assert not shelf.sync()[0].drift.found
    assert shelf.published() == shelf.wanted()


def test_b9_evolve_does_not_keep_what_is_ignored(shelf: Shelf) -> None:
    columns = {**{c.name: c.dtype for c in shelf.table.columns}, "more": pl.String}
    evolving = layer_table(
        columns, {"more": {"logical": "json"}}, name="shelf", partition="created_at"
    )
    shelf.table = replace(
        evolving,
        cursor_column="updated_at",
        drift=Drift.EVOLVE,
        overflow_column="more",
        ignore=("colour",),
        lookback=timedelta(0),
    )
    shelf.sql(ADD, "ALTER TABLE shelf ADD o text DEFAULT 'kept'")
    put(shelf, 1)
    shelf.sync()
    assert [json.loads(row[-1]) for row in shelf.published()] == [{"o": "kept"}]
