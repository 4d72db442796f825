"""What BigQuery adds to a warehouse: costs, labels, pruning, keys as parameters, two readers."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore.store
import polars as pl
import pytest
from google.api_core.exceptions import PermissionDenied
from polars.testing import assert_frame_equal

from etl_assets.core.errors import WarehouseError
from etl_assets.core.frames import ROWS
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import versions_of
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.bigquery import given
from etl_assets.warehouse.bigquery.bucket import Bucket
from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.types import on_days
from etl_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from etl_assets.warehouse.planning import changes
from etl_assets.warehouse.publication import Facts
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, Place
from etl_assets_tests.bigquery_warehouse.keys import keys_are_matched
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    orders,
    own_row,
    publish,
    published,
    spooled,
    staged,
    token_of,
    tombstones,
    values,
)


def test_a_table_is_partitioned_by_day_clustered_by_key_and_labelled(place: Place) -> None:
    place.warehouse(more="&require_partition_filter=true").ensure(ORDERS)
    with closing(place.server.client()) as client:
        table = client.get_table(f"{place.prefix}raw.orders")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "day_at")
    assert table.clustering_fields == ["id"]
    assert table.labels == {"layer": "raw", "table": "orders"}
    assert table.require_partition_filter


@pytest.mark.thorough
@pytest.mark.parametrize("way", WAYS)
def test_with_a_required_partition_filter_every_way_to_publish_and_read_works(
    place: Place, way: str
) -> None:
    warehouse = place.warehouse(more="&require_partition_filter=true")
    table = replace(ORDERS, versions=versions_of(ORDERS))
    publish(warehouse, staged(place.folder, orders({1: "one", 2: "two"}), table=table), table=table)
    days = [
        staged(place.folder, orders({}), table=table, row_count=1),
        staged(place.folder, orders({2: "moved"}, NEXT), NEXT, table=table),
    ]
    if way == "replace":
        publish(warehouse, days[1], table=table)
    else:
        bring(warehouse, changes_of(place.folder, token_of(warehouse)), *days, table=table)
    assert values(warehouse, place.folder, DAY, NEXT, table=table) == {1: "one", 2: "moved"}
    assert [state.row_count for state in warehouse.state(table)] == [1, 1]


def test_staging_tables_are_gone_afterwards_and_would_expire_by_themselves(place: Place) -> None:
    warehouse = place.warehouse()
    staging = warehouse.stage(ORDERS, [staged(place.folder, orders({1: "one"}))], "run-1")
    with closing(place.server.client()) as client:
        dataset = f"{place.prefix}etl_staging"
        (listed,) = client.list_tables(dataset)
        table = client.get_table(listed.reference)
        left = table.expires - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(days=1)
        assert table.labels["run"] == "run-1"
        warehouse.discard(staging)
        assert list(client.list_tables(dataset)) == []
        warehouse.discard(staging)  # what is gone is no error


def test_a_publication_tells_what_each_job_has_cost(place: Place) -> None:
    day = staged(place.folder, orders({1: "one"}), rejected=["{}"])
    jobs = publish_staged(place.warehouse(), ORDERS, [day], "run-1").jobs
    assert [job.kind for job in jobs] == ["load", "load", "query"]
    with closing(place.server.client()) as client:
        for cost in jobs:
            job = client.get_job(cost.job_id)
            assert job.state == "DONE"
            assert job.labels == {"layer": "raw", "table": "orders", "run": "run-1"}
    assert jobs[0].bytes_billed == 0  # loading is free


@pytest.mark.thorough
def test_one_job_loads_all_files_of_all_days(place: Place) -> None:
    days = [staged(place.folder, orders({1: "one"}))]
    days[0].files.write(orders({2: "two"}))
    days[0].files.close()
    days.append(staged(place.folder, orders({3: "three"}, NEXT), NEXT))
    warehouse = place.warehouse()
    jobs = publish_staged(warehouse, ORDERS, days, "run-1").jobs
    assert [job.kind for job in jobs] == ["load", "query"]
    assert sorted(values(warehouse, place.folder, DAY, NEXT)) == [1, 2, 3]


def test_nothing_is_loaded_where_there_are_no_rows(place: Place) -> None:
    empty = staged(place.folder, orders({}))
    jobs = publish_staged(place.warehouse(), ORDERS, [empty], "run-1").jobs
    assert [job.kind for job in jobs] == ["query"]


@pytest.mark.thorough
def test_few_keys_that_leave_are_a_parameter_and_many_are_loaded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, table = place.warehouse(), ORDERS
    publish(warehouse, staged(place.folder, orders({1: "one", 2: "two", 3: "three"})))
    for most, key, kinds in ((1, 1, ["query"]), (0, 2, ["load", "query"])):
        monkeypatch.setattr(given, "_MOST_ROWS", most)
        day = staged(place.folder, orders({}), run_id="run-2", row_count=3 - key)
        staging = warehouse.stage(table, [day], "run-2")
        gone = spooled(place.folder, pl.DataFrame({"id": [key]}))
        stones = spooled(place.folder, tombstones(f"id={key}"))
        plan = changes(
            staging,
            warehouse.recorded(table),
            Facts.nothing(table),
            table_state=own_row(),
            leaving=gone,
            tombstones=stones,
        )
        loads = kinds[:1] * 2 + kinds[1:] if most == 0 else kinds
        assert [job.kind for job in warehouse.publish(plan)] == loads
    assert values(warehouse, place.folder) == {3: "three"}
    assert place.query("SELECT row_key FROM {p}etl.etl_tombstones ORDER BY row_key") == [
        ("id=1",),
        ("id=2",),
    ]
    with closing(place.server.client()) as client:
        assert list(client.list_tables(f"{place.prefix}etl_staging")) == []


@pytest.mark.thorough
@pytest.mark.parametrize("most", [1000, 0], ids=["as a parameter", "loaded"])
def test_r1_keys_of_every_dtype_are_equal_to_themselves_and_to_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(given, "_MOST_ROWS", most)
    keys_are_matched(place.warehouse(), place.folder)


@pytest.mark.thorough
def test_two_processes_that_open_a_tables_row_at_once_have_one_table(place: Place) -> None:
    """Both may add a row: every publication changes both alike, and reading takes one."""
    warehouse = place.warehouse()
    warehouse.ensure(ORDERS)
    assert warehouse.table_state(ORDERS) is None
    for _ in range(2):
        place.query(
            "INSERT INTO {p}etl.etl_tables (table_name, load_id, run_id, as_of, updated_at, "
            "row_count) VALUES ('raw/orders', '', '', CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), 0)"
        )
    assert (warehouse.table_state(ORDERS), warehouse.table_states()) == (None, [])
    publish(warehouse, staged(place.folder, orders({1: "one"})))
    first = warehouse.table_state(ORDERS)
    assert first is not None
    assert warehouse.table_states() == [first]
    publish(warehouse, staged(place.folder, orders({2: "two"})))
    assert token_of(warehouse) != first.load_id
    assert place.query("SELECT COUNT(DISTINCT load_id), COUNT(*) FROM {p}etl.etl_tables") == [
        (1, 2)
    ]


@pytest.mark.thorough
def test_many_scattered_days_are_changed_by_one_short_statement(place: Place) -> None:
    warehouse = place.warehouse()
    days = [DAY + timedelta(days=2 * number) for number in range(120)]
    publish(warehouse, *(staged(place.folder, orders({n: "x"}, d), d) for n, d in enumerate(days)))
    publish(warehouse, staged(place.folder, orders({500: "between"}, NEXT), NEXT))
    publish(warehouse, *(staged(place.folder, orders({}, d), d) for d in days))
    assert values(warehouse, place.folder, days[0], days[-1]) == {500: "between"}
    sql = on_days(ORDERS, [DAY + timedelta(days=2 * number) for number in range(20_000)])
    assert len(sql) < 500_000


@pytest.mark.thorough
def test_a_table_without_days_has_neither_partitions_nor_a_filter(place: Place) -> None:
    table = replace(ORDERS, partition_column=None, name="lookup")
    for read in ("storage", "rest"):
        warehouse = place.warehouse(more=f"&require_partition_filter=true&read={read}")
        for value in ("old", "new"):
            rows = orders({1: value, 2: read})
            publish(warehouse, staged(place.folder, rows, WHOLE, table=table), table=table)
        assert values(warehouse, place.folder, WHOLE, table=table) == {1: "new", 2: read}
        asked = spooled(place.folder, pl.DataFrame({"id": [2]}))
        found = warehouse.lookup(table, asked, place.folder / read).collect()
        assert found["v"].to_list() == [read]
    (state,) = warehouse.state(table)
    assert (state.partition_key, state.row_count) == (WHOLE, 2)
    assert warehouse.profile(table, [WHOLE])[ROWS].to_list() == [2]
    assert warehouse.digests(table, [WHOLE], 1)["rows"].to_list() == [2]
    assert warehouse.row_digests(table, WHOLE, 1, [0]).height == 2
    with closing(place.server.client()) as client:
        made = client.get_table(f"{place.prefix}raw.lookup")
    assert (made.time_partitioning, made.require_partition_filter) == (None, None)
    assert made.clustering_fields == ["id"]


@pytest.mark.thorough
def test_rest_and_storage_read_the_same(place: Place) -> None:
    publish(place.warehouse(), staged(place.folder, orders({n: f"v{n}" for n in range(50)})))
    by_rest = published(place.warehouse(more="&read=rest"), place.folder)
    assert_frame_equal(by_rest, published(place.warehouse(), place.folder))
    assert by_rest.height == 50


class Forbidding:
    """A Storage Read client of an account that may not use it."""

    def __init__(self) -> None:
        self.asked = 0

    def create_read_session(self, **_: object) -> None:
        self.asked += 1
        raise PermissionDenied("bigquery.readsessions.create denied on secret-project")


def test_where_storage_read_is_not_allowed_rest_is_used(place: Place) -> None:
    first = place.warehouse()
    publish(first, staged(place.folder, orders({1: "one"})))
    storage = Forbidding()
    clients = Clients(first._clients.rest, storage)  # type: ignore[arg-type]
    warehouse = BigQueryWarehouse(first.options, lambda: clients)
    assert values(warehouse, place.folder) == {1: "one"}
    assert values(warehouse, place.folder) == {1: "one"}
    assert storage.asked == 1


@pytest.mark.thorough
def test_only_the_contracts_columns_and_the_windows_days_are_asked_for(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one"})))
    asked = []
    storage = warehouse._clients.storage
    assert storage is not None
    create = storage.create_read_session

    def noting(**options: object) -> object:
        asked.append(options["read_session"])
        return create(**options)

    storage.create_read_session = noting  # type: ignore[method-assign]
    values(warehouse, place.folder, DAY, NEXT)
    (session,) = asked
    assert list(session.read_options.selected_fields) == ["id", "day_at", "v", "updated_at"]
    assert session.read_options.row_restriction == (
        "`day_at` >= TIMESTAMP '2024-05-17 00:00:00+00' "
        "AND `day_at` < TIMESTAMP '2024-05-19 00:00:00+00'"
    )


def test_with_a_bucket_files_are_loaded_from_there_and_removed(place: Place) -> None:
    folder = place.server.buckets / place.prefix / "etl"
    folder.mkdir(parents=True)
    bucket = Bucket(obstore.store.LocalStore(folder), f"gs://{place.prefix}/etl")
    first = place.warehouse()
    clients = Clients(first._clients.rest, first._clients.storage, bucket)
    warehouse = BigQueryWarehouse(first.options, lambda: clients)
    publish(warehouse, staged(place.folder, orders({1: "one"}), rejected=["{}"]))
    assert values(warehouse, place.folder) == {1: "one"}
    with closing(place.server.client()) as client:
        sources = [
            job.source_uris for job in client.list_jobs(max_results=30) if job.job_type == "load"
        ]
    assert sum(str(uris).count(f"gs://{place.prefix}/etl/") for uris in sources if uris) == 2
    assert list(folder.iterdir()) == []


def test_a_bucket_that_takes_nothing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.touch()
    (tmp_path / "store" / file.name).mkdir(parents=True)  # in the way
    bucket = Bucket(obstore.store.LocalStore(tmp_path / "store"), "gs://loads")
    with (
        pytest.raises(WarehouseError, match=r"gs://loads.*roles/storage.objectUser"),
        bucket.holding(file),
    ):
        pass


@pytest.mark.thorough
def test_the_moment_of_a_read_is_on_the_services_clock(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one"}, updated=at(DAY))))
    extract = warehouse.read(ORDERS, [Window.of(DAY)], place.folder / "in")
    assert abs(datetime.now(UTC) - extract.as_of) < timedelta(minutes=1)
