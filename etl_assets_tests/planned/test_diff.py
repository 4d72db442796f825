"""`diff` shows exactly the rows that the code at hand would change, and publishes nothing."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.partitions import WHOLE
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.pipeline.diff import rows as of_rows
from etl_assets.pipeline.diff.found import Difference
from etl_assets.pipeline.diff.tables import by_code
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.planned.conftest import Built
from etl_assets_tests.planned.kinds import CHANNEL, SHOP, doubled
from etl_assets_tests.planned.physical import everything
from etl_assets_tests.planned.world import BESIDE_ORDERS, DAYS, REQUIRED, World, changed, of_orders
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def difference(world: World, path: str, folder: Path, most: int = 3) -> Difference:
    table = world.platform.catalog[path]
    days = DAYS if table.has_days else [WHOLE]
    return by_code(world.platform, table, days, folder / path.replace("/", "-"), most)


def counts(found: Difference) -> tuple[int, int, int]:
    return found.added, found.removed, found.changed


@pytest.mark.thorough_but("duckdb-whole")
@pytest.mark.parametrize(
    "bucket",
    [pytest.param(200_000, marks=pytest.mark.share, id="whole"), pytest.param(2, id="in buckets")],
)
def test_rows_are_compared_by_key_and_column(
    load: Built,
    backend: Backend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket: int,
) -> None:
    monkeypatch.setattr(of_rows, "BUCKET_ROWS", bucket)
    # On the emulator each table costs seconds.
    world = load(without=BESIDE_ORDERS if backend.name == "bigquery" else ())
    before = everything(backend, tmp_path)

    def other(raw: pl.LazyFrame) -> pl.LazyFrame:
        few = doubled(raw).filter(pl.col("id") != 4)
        more = few.filter(pl.col("id") == 5).with_columns(pl.lit(50, pl.Int64).alias("id"))
        return pl.concat([few, more])

    world = world.with_code(changed(SHOP, stage=other))
    found = difference(world, "staged/orders", tmp_path, most=100)
    assert counts(found) == (1, 1, 8)
    assert (found.rows_before, found.rows_after) == (9, 9)
    assert dict(found.by_column) == {"amount": 8}
    assert found.blocked == {
        DAYS[1]: ["row_count_against_source"],
        DAYS[2]: ["row_count_against_source"],
    }
    (gone,) = [row for row in found.rows if row.kind == "removed"]
    assert (gone.key, gone.day, gone.columns["amount"]) == ("id=4", DAYS[1], (40, None))
    world.platform.close()
    assert everything(backend, tmp_path) == before


@pytest.mark.thorough
def test_the_same_code_makes_the_same_rows_also_of_windows_and_running_sums(
    build: Built, tmp_path: Path
) -> None:
    contract = contract_of(
        {"id": pl.Int64, "created_at": UTC_MOMENT, "amount": pl.Int64},
        {"id": REQUIRED, "created_at": REQUIRED},
    )

    def window(day: date, orders: pl.LazyFrame) -> pl.LazyFrame:
        sums = orders.select(pl.col("amount").sum())
        return (
            of_orders(orders)
            .filter(pl.col("created_at").dt.date() == day)
            .drop("amount")
            .join(sums, how="cross")
        )

    def until(orders: pl.LazyFrame) -> pl.LazyFrame:
        last = pl.col("created_at").dt.date().max()
        return (
            of_orders(orders)
            .with_columns(pl.col("amount").sum())
            .filter(pl.col("created_at").dt.date() == last)
        )

    inputs = {
        "windowed": (Input("staged/orders", days_before=1, days_after=1), window),
        "running": (Input("staged/orders", all_days_until=True), until),
    }
    more = [
        EnrichedSpec(
            name=name,
            contract=contract,
            inputs={"orders": given},
            enrich=enrich,
            description="Of several days.",
        )
        for name, (given, enrich) in inputs.items()
    ]
    world = build(changed(SHOP, more=more))
    assert world.load_all() == {}
    for path in ("enriched/windowed", "enriched/running", "enriched/totals", "staged/countries"):
        assert not difference(world, path, tmp_path).differs, path
    assert not difference(world, "raw/orders", tmp_path).differs
    assert not difference(world, "enriched/dim_customers", tmp_path).differs


def test_versions_of_a_dimension_are_compared(
    load: Built, backend: Backend, tmp_path: Path
) -> None:
    world = load()
    world.sql("UPDATE customers SET tier = 'plain', updated_at = now() WHERE id = 2")
    for _chunk in world.platform.sync(
        world.platform.catalog["raw/customers"], world._folder(), "run"
    ).run():
        pass
    assert world.derive() == {}
    before = everything(backend, tmp_path)
    world = world.with_code(changed(SHOP, tracked=("city", "tier")))
    found = difference(world, "enriched/dim_customers", tmp_path, most=50)
    assert found.new_columns == ["tier"]
    assert found.added == 1, "the other tier of one customer is a version of its own"
    assert found.removed == 0
    world.platform.close()
    assert everything(backend, tmp_path) == before


def test_a_day_that_cannot_be_made_is_named_with_the_reason(load: Built, tmp_path: Path) -> None:
    world = load()
    world = world.with_code(changed(SHOP, raw=CHANNEL, staged=CHANNEL))
    found = difference(world, "staged/orders", tmp_path)
    assert set(found.failed) == set(DAYS)
    assert "raw/orders has no values of channel yet" in found.failed[DAYS[0]]
    assert found.differs


def test_published_rows_are_held_against_a_contract_with_more_columns(
    load: Built, tmp_path: Path
) -> None:
    world = load()
    options = {"id": REQUIRED, "amount": {"nullable": False, "ge": 50}, "channel": REQUIRED}
    world = world.with_code(changed(SHOP, raw=CHANNEL, raw_options=options))
    found = difference(world, "raw/orders", tmp_path)
    assert dict(found.refused) == {"amount: greater_than_or_equal_to(50)": 4}
    assert found.new_columns == ["channel"]
