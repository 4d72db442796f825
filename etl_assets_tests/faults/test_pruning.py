"""Sources that prune, night by night, and partitions that go and come back (R4, C7, C9)."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.pipeline import reconcile
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, cased
from etl_assets_tests.faults.test_kept_rows import CREATE, FILL, gone, kept_table, marks
from etl_assets_tests.faults.test_rows import BARE

# On other warehouses than DuckDB the default run has a share of it.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


@pytest.mark.thorough_but("duckdb")
@pytest.mark.parametrize("policy", [Deletes.REMOVE, Deletes.KEEP])
@pytest.mark.parametrize("nights", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_r4_a_source_that_prunes_a_day_a_night_loses_nothing_unconfirmed(
    pave: Paved, policy: Deletes, nights: int
) -> None:
    """The case pruned_source.sql: told each night until it is confirmed, or nothing with KEEP."""
    days = nights + 5
    road = pave(
        cased({"id": pl.Int64}, deletes=policy, thresholds=Thresholds()),
        BARE,
        f"INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n % {days} * interval '1 day', "
        f"'2024-01-01Z' FROM generate_series(1, {10 * days}) n",
    )
    road.sync()
    for night in range(1, nights + 1):
        road.sql(
            f"DELETE FROM things WHERE created_at < timestamptz '2024-01-01Z' + {night} "
            "* interval '1 day'"
        )
        found = road.reconcile()
        if policy is Deletes.KEEP:
            assert (found.is_equal, found.repair, found.now.kept) == (True, None, 10 * night)
            continue
        assert found.repair is not None
        refusal = str(found.repair.mass_delete)
        assert "vanished from the source" in refusal, night
        assert "--confirm-deletes" in refusal
        assert "Deletes.KEEP" in refusal
        assert not found.is_equal
    states = road.warehouse.state(road.table)
    assert [state.row_count for state in states] == [10] * days
    if policy is Deletes.KEEP:
        road.load([state.partition_key for state in states])
        assert sum(s.row_count for s in road.warehouse.state(road.table)) == 10 * days
        return
    assert road.reconcile(confirmed=True).is_equal
    assert sum(s.row_count for s in road.warehouse.state(road.table)) == 50


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_r4_a_reconciliation_marks_what_is_gone_once_and_says_how_many(pave: Paved) -> None:
    road = pave(kept_table(thresholds=Thresholds()), CREATE, FILL)
    road.sync()
    road.sql("DELETE FROM things WHERE id % 4 = 2 OR id IN (1, 5)")
    looked = road.reconcile(repair=False)
    assert (looked.is_equal, looked.now.kept, looked.now.unmarked.height) == (True, 12, 12)
    assert gone(road) == set(), "it only looked"
    found = road.reconcile()
    assert found.is_equal
    assert found.repair is not None
    assert (found.repair.outcome.marked, found.repair.outcome.changed) == (12, 0)
    assert (found.now.kept, found.now.unmarked.height) == (12, 0)
    assert gone(road) == {n for n in range(1, 41) if n % 4 == 2} | {1, 5}
    since, loads = marks(road), road.warehouse.state(road.table)
    again = road.reconcile()
    assert (again.repair, again.now.kept) == (None, 12)
    assert (marks(road), [s.load_id for s in loads]) == (
        since,
        [s.load_id for s in road.warehouse.state(road.table)],
    )
    road.load(DAYS[:4])
    assert marks(road) == since, "loads and reconciliations agree"


@pytest.mark.thorough
def test_r4_a_mark_touches_the_day_and_so_makes_late_what_is_made_of_it(pave: Paved) -> None:
    road = pave(kept_table(), CREATE, FILL)
    road.sync()
    before = {s.partition_key: s.load_id for s in road.warehouse.state(road.table)}
    road.sql("DELETE FROM things WHERE id = 1")
    road.reconcile()
    after = {s.partition_key: s.load_id for s in road.warehouse.state(road.table)}
    assert [day for day in after if after[day] != before[day]] == [DAYS[1]]
    road.sql("INSERT INTO things VALUES (1, 'v1', '2024-01-02 05:00Z', '2024-01-01Z')")
    road.reconcile()
    assert gone(road) == set()
    road.assert_settled()


def test_r4_a_kept_row_that_breaks_a_newer_rule_is_marked_and_not_set_aside(pave: Paved) -> None:
    road = pave(kept_table(), CREATE, FILL)
    road.sync()
    options = {"id": {"nullable": False}, "v": {"notin": ["v1", "v2", "v3"]}}
    columns = {column.name: column.dtype for column in road.table.columns}
    table = cased(
        {name: columns[name] for name in ("id", "v", "gone_at")},
        options,
        deletes=Deletes.KEEP,
        kept_column="gone_at",
    )
    road = replace(road, table=table)
    road.sql("DELETE FROM things WHERE id IN (1, 2)")
    road.reconcile()
    assert (gone(road), road.quarantined()) == ({1, 2}, [])
    road.load(DAYS[:4])
    assert gone(road) == {1, 2}
    assert [rule.partition("(")[0] for rule in road.rules()] == ["v: notin"]
    assert len(road.published()) == 39


def test_r4_a_row_that_goes_between_comparison_and_repair_is_kept(
    pave: Paved, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = pave(kept_table(mark=False), CREATE, FILL)
    road.sync()
    road.sql("UPDATE things SET v = 'silent' WHERE id = 1")
    before = road.published()
    by_keys = reconcile.Reconciling._bring

    def late(self: Any, keys: pl.DataFrame) -> Any:
        road.sql("DELETE FROM things WHERE id = 1")
        return by_keys(self, keys)

    monkeypatch.setattr(reconcile.Reconciling, "_bring", late)
    assert road.reconcile().is_equal
    assert road.published() == before


POLICIES: dict[str, dict[str, Any]] = {
    "remove": {"deletes": Deletes.REMOVE},
    "tombstone": {"deletes": Deletes.TOMBSTONE},
    "keep": {"deletes": Deletes.KEEP},
    "keep and mark": {"deletes": Deletes.KEEP, "kept_column": "gone_at"},
}


@pytest.mark.thorough_but("duckdb-remove")
@pytest.mark.parametrize("policy", POLICIES)
def test_r4_a_partition_comes_back_whatever_the_policy_is(pave: Paved, policy: str) -> None:
    """The case detached_partition.sql; the cursors of the partition are old when it is back."""
    moment = pl.Datetime("us", "UTC")
    columns = {"id": pl.Int64, **({"gone_at": moment} if "mark" in policy else {})}
    road = pave(
        cased(columns, thresholds=Thresholds(), **POLICIES[policy]),
        "CREATE TABLE things (id bigint NOT NULL, created_at timestamptz NOT NULL, updated_at "
        "timestamptz NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)",
        *(
            f"CREATE TABLE d{n} PARTITION OF things FOR VALUES FROM ('{DAYS[n]}Z') "
            f"TO ('{DAYS[n + 1]}Z')"
            for n in range(5)
        ),
        "INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n % 5 * interval '1 day', "
        "timestamptz '2024-01-01Z' FROM generate_series(1, 100) n",
    )
    road.sync()
    road.sql("ALTER TABLE things DETACH PARTITION d3")
    found = road.reconcile()
    assert len(road.published()) == 100, "never removed unconfirmed"
    road.load(DAYS[:3])
    if policy.startswith("keep"):
        assert found.is_equal
        road.load(DAYS[3:4])
        assert len(road.published()) == 100
        if "mark" in policy:
            assert gone(road) == {n for n in range(1, 101) if n % 5 == 3}
    else:
        assert found.repair is not None
        assert "2024-01-04" in str(found.repair.mass_delete)
        road.reconcile(confirmed=True)
        assert len(road.published()) == 80
    road.sql(
        f"ALTER TABLE things ATTACH PARTITION d3 FOR VALUES FROM ('{DAYS[3]}Z') TO ('{DAYS[4]}Z')"
    )
    road.sync()
    assert road.reconcile().is_equal
    assert len(road.published()) == 100
    if "mark" in policy:
        assert gone(road) == set()
    road.assert_settled()
