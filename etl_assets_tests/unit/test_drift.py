"""What a source table's columns did, and whether the table's policy lets it go on."""

from dataclasses import replace

import polars as pl
import pytest

from etl_assets.core.drift import compare, from_json, once, to_json
from etl_assets.core.policies import Drift
from etl_assets.core.source_specs import Parent
from etl_assets_tests.changing import THINGS, changing_table

KNOWN = [("id", "bigint"), ("day_at", "timestamp with time zone"), ("updated_at", "date")]
EXTRA = ("extra", "numeric(9,2)")


@pytest.mark.parametrize("before", [None, KNOWN, KNOWN[::-1]])
def test_the_same_columns_are_no_drift_in_whatever_order(
    before: list[tuple[str, str]] | None,
) -> None:
    report = compare(THINGS, KNOWN, before)
    assert (report.added, report.since_last, report.refuses) == ([], [], None)
    assert not report.found


def test_a_column_that_the_contract_does_not_have_is_named_with_its_type() -> None:
    report = compare(THINGS, [*KNOWN, EXTRA], [*KNOWN, EXTRA])
    assert (report.added, report.since_last) == ([EXTRA], [])


def test_what_was_added_dropped_and_retyped_since_last_time_is_said_of_all_columns() -> None:
    now = [("id", "integer"), KNOWN[1], EXTRA]
    report = compare(THINGS, now, [*KNOWN, ("old", "text")])
    assert report.since_last == [
        "extra (numeric(9,2)) was added",
        "updated_at (date) was dropped",
        "old (text) was dropped",
        "id was bigint and is integer",
    ]


@pytest.mark.parametrize("policy", Drift)
def test_only_a_frozen_table_stops_and_only_for_what_changed(policy: Drift) -> None:
    table = changing_table(drift=policy)
    assert compare(table, [*KNOWN, EXTRA], None).refuses is None
    assert compare(table, [*KNOWN, EXTRA], [*KNOWN, EXTRA]).refuses is None
    refuses = compare(table, [*KNOWN, EXTRA], KNOWN).refuses
    if policy is Drift.FREEZE:
        assert refuses is not None
        assert "raw/things changed" in refuses
        assert "extra (numeric(9,2)) was added" in refuses
    else:
        assert refuses is None


def test_the_overflow_column_is_the_contract_s_and_not_expected_in_the_source() -> None:
    table = changing_table({"rest": pl.String}, drift=Drift.EVOLVE, overflow_column="rest")
    assert compare(table, KNOWN, KNOWN).added == []
    assert compare(table, [*KNOWN, EXTRA], KNOWN).added == [EXTRA]


def test_a_borrowed_column_of_that_name_in_the_table_itself_is_not_the_contract_s() -> None:
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "created_at"})
    assert compare(changing_table(parent=parent), KNOWN, None).added == [KNOWN[1]]


def test_columns_survive_their_json() -> None:
    columns = [*KNOWN, ('we "ird', "text")]
    assert from_json(to_json(columns)) == columns


@pytest.mark.parametrize("policy", Drift)
def test_b9_of_an_ignored_column_nothing_is_said_whatever_it_does(policy: Drift) -> None:
    table = replace(changing_table(drift=policy), ignore=("blob", "old"))
    for now, before in (
        ([*KNOWN, ("blob", "bytea")], KNOWN),
        ([*KNOWN, ("blob", "bytea")], [*KNOWN, ("blob", "text"), ("old", "text")]),
        (KNOWN, [*KNOWN, ("blob", "bytea")]),
        ([*KNOWN, ("blob", "bytea")], None),
    ):
        report = compare(table, now, before)
        assert not report.found
        assert report.refuses is None
    assert compare(table, [*KNOWN, ("blob", "bytea"), EXTRA], KNOWN).added == [EXTRA]


def test_b9_a_load_says_once_what_it_finds_and_again_what_is_new() -> None:
    told: set[str] = set()
    first, second = compare(THINGS, [*KNOWN, EXTRA], KNOWN), compare(THINGS, [*KNOWN, EXTRA], None)
    assert once(first, told) is first
    again = once(first, told)
    assert again is not None
    assert not again.found
    assert again.evidence() == {"told": "of another day of the same load"}
    assert once(second, told) is second
    assert once(None, told) is None
    nothing = compare(THINGS, KNOWN, KNOWN)
    assert once(nothing, told) is nothing
