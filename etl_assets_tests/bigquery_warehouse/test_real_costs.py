"""What only the real BigQuery can answer about what is billed: pruning, caps, filters, labels."""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import GoogleAPICallError, NotFound

from etl_assets.core.errors import WarehouseError
from etl_assets.pipeline.publish import publish_staged
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, publish_by
from etl_assets_tests.bigquery_warehouse.real import BIGQUERY_REAL, LATER, Real, own
from etl_assets_tests.contract.days import DAY, NEXT, ORDERS, at, orders, publish, staged, values
from etl_assets_tests.contract.test_concurrency import DAYS

pytestmark = BIGQUERY_REAL


@pytest.mark.parametrize("way", WAYS)
def test_one_day_of_several_prunes(real: Real, way: str) -> None:
    """Each way to change one day of eight processes a part of the table's bytes."""
    table, warehouse = own(ORDERS), real.warehouse()
    payload = "x" * 1000  # 8 MB in BigQuery's count, and next to nothing as Parquet
    days = [
        staged(
            real.folder,
            orders({number * 1000 + n: payload for n in range(1000)}, day),
            day,
            table=table,
        )
        for number, day in enumerate(DAYS)
    ]
    publish(warehouse, *days, table=table)
    scan = real.query(f"SELECT * FROM {real.name('raw', table.name)}", dry_run=True)
    change = staged(
        real.folder, orders({3000: "new"}, DAYS[3], at(NEXT)), DAYS[3], table=table, as_of=LATER
    )
    publish_by(way, warehouse, change, table)
    published_by = next(
        job
        for job in real.client.list_jobs(max_results=50)
        if job.job_id.startswith("etl_publish_") and job.labels.get("table") == table.name
    )
    assert scan.total_bytes_processed > 8_000_000
    assert 0 < published_by.total_bytes_processed < scan.total_bytes_processed / 2
    assert len(values(warehouse, real.folder, DAYS[3], table=table)) == (
        1 if way == "replace" else 1000
    )


@pytest.mark.parametrize("what", ["a query", "a publication"])
def test_a_cost_cap_refuses(real: Real, what: str) -> None:
    """maximum_bytes_billed refuses with its reason and our next step; nothing is published."""
    table, free = own(ORDERS), real.warehouse()
    publish(free, staged(real.folder, orders({1: "old"}), table=table), table=table)
    capped = real.warehouse("&maximum_bytes_billed=1")
    day = staged(real.folder, orders({1: "new"}), table=table, as_of=LATER)
    told = r"reason bytesBilledLimitExceeded.*Raise maximum_bytes_billed in WAREHOUSE_URL"
    with pytest.raises(WarehouseError, match=told):
        capped.profile(table, [DAY]) if what == "a query" else publish(capped, day, table=table)
    assert values(free, real.folder, table=table) == {1: "old"}


@pytest.mark.parametrize("way", WAYS)
def test_a_filter_is_required(real: Real, way: str) -> None:
    """A required partition filter refuses queries without one; every way and reading work."""
    table, warehouse = own(ORDERS), real.warehouse("&require_partition_filter=true")
    publish(warehouse, staged(real.folder, orders({1: "one", 2: "two"}), table=table), table=table)
    key = 2 if way == "replace" else 3  # a replacement moves it to the other day
    day = staged(real.folder, orders({key: "new"}, NEXT), NEXT, table=table)
    publish_by(way, warehouse, day, table)
    target = real.name("raw", table.name)
    with pytest.raises(GoogleAPICallError, match="filter"):
        real.query(f"SELECT v FROM {target}")
    for read in ("storage", "rest"):
        reader = real.warehouse(f"&read={read}")
        assert values(reader, real.folder, NEXT, table=table) == {key: "new"}
    before = values(warehouse, real.folder, DAY, table=table)
    assert before == ({1: "one"} if way == "replace" else {1: "one", 2: "two"})


def test_staging_tables_expire(real: Real) -> None:
    """A staging table is labelled, expires within a day, and is gone when it is discarded."""
    table, warehouse = own(ORDERS), real.warehouse()
    day = staged(real.folder, orders({1: "one"}), table=table)
    staging = warehouse.stage(table, [day], "run-1")
    path = f"{real.client.project}.{real.prefix}etl_staging.{staging.name}"
    found = real.client.get_table(path)
    assert timedelta(hours=23) < found.expires - datetime.now(UTC) <= timedelta(days=1)
    assert found.labels == {"layer": "raw", "table": table.name, "run": "run-1"}
    warehouse.discard(staging)
    with pytest.raises(NotFound):
        real.client.get_table(path)


def test_jobs_are_labelled(real: Real) -> None:
    """The jobs of a publication carry layer, table and run as labels."""
    table, warehouse = own(ORDERS), real.warehouse()
    day = staged(real.folder, orders({1: "one"}), table=table, rejected=["{}"])
    jobs = publish_staged(warehouse, table, [day], "run-1").jobs
    assert [job.kind for job in jobs] == ["load", "load", "query"]
    for cost in jobs:
        job = real.client.get_job(cost.job_id, location=real.client.location)
        assert job.labels == {"layer": "raw", "table": table.name, "run": "run-1"}


def test_costs_are_told(real: Real) -> None:
    """A publication tells bytes, bill and slot time of its jobs; loading is free."""
    table, warehouse = own(ORDERS), real.warehouse()
    day = staged(real.folder, orders({1: "one"}), table=table)
    load, query = publish_staged(warehouse, table, [day], "run-1").jobs
    assert (load.kind, load.bytes_billed) == ("load", 0)
    assert load.bytes_processed > 0
    assert query.bytes_processed > 0
    assert query.bytes_billed >= 10 * 2**20  # the least that is billed for a table
    assert query.slot_seconds > 0
