"""What BigQuery adds to a warehouse: quotas, costs, labels, pruning, two ways to read."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore.store
import polars as pl
import pytest
from google.api_core.exceptions import PermissionDenied
from polars.testing import assert_frame_equal

from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.core.state import Happening
from etl_assets.warehouse.base import Mode
from etl_assets.warehouse.bigquery.bucket import Bucket
from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    entry,
    orders,
    own_row,
    publish,
    published,
    staged,
    values,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table


def test_a_table_is_partitioned_by_day_clustered_by_key_and_labelled(place: Place) -> None:
    place.warehouse(more="&require_partition_filter=true").ensure(ORDERS)
    with closing(place.server.client()) as client:
        table = client.get_table(f"{place.prefix}raw.orders")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "day_at")
    assert table.clustering_fields == ["id"]
    assert table.labels == {"layer": "raw", "table": "orders"}
    assert table.require_partition_filter


@pytest.mark.parametrize("mode", Mode)
def test_with_a_required_partition_filter_every_way_to_publish_and_read_works(
    place: Place, mode: Mode
) -> None:
    warehouse = place.warehouse(more="&require_partition_filter=true")
    publish(warehouse, staged(place.folder, orders({1: "one", 2: "two"})))
    if mode is not Mode.APPEND:
        day = staged(place.folder, orders({2: "moved"}, NEXT), NEXT)
    else:
        day = staged(place.folder, orders({3: "more"}, NEXT), NEXT)
    publish(warehouse, day, mode=mode)
    assert values(warehouse, place.folder, NEXT) == (
        {3: "more"} if mode is Mode.APPEND else {2: "moved"}
    )


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
        warehouse.publish(staging)
        assert list(client.list_tables(dataset)) == []


def test_a_publication_tells_what_each_job_has_cost(place: Place) -> None:
    warehouse = place.warehouse()
    day = staged(place.folder, orders({1: "one"}), rejected=["{}"])
    publication = warehouse.publish(warehouse.stage(ORDERS, [day], "run-1"))
    assert [job.kind for job in publication.jobs] == ["load", "load", "query"]
    with closing(place.server.client()) as client:
        for cost in publication.jobs:
            job = client.get_job(cost.job_id)
            assert job.state == "DONE"
            assert job.labels == {"layer": "raw", "table": "orders", "run": "run-1"}
    assert publication.jobs[0].bytes_billed == 0  # loading is free


def test_one_job_loads_all_files_of_all_days(place: Place) -> None:
    days = [staged(place.folder, orders({1: "one"}))]
    days[0].files.write(orders({2: "two"}))
    days[0].files.close()
    days.append(staged(place.folder, orders({3: "three"}, NEXT), NEXT))
    warehouse = place.warehouse()
    publication = warehouse.publish(warehouse.stage(ORDERS, days, "run-1"))
    assert [job.kind for job in publication.jobs] == ["load", "query"]
    assert sorted(values(warehouse, place.folder, DAY, NEXT)) == [1, 2, 3]


def test_every_modification_is_counted_by_table_and_day(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one"})))
    publish(warehouse, staged(place.folder, orders({2: "two"})), mode=Mode.APPEND)
    publish(warehouse, staged(place.folder, orders({2: "two"})), mode=Mode.APPEND)  # no job
    today = datetime.now(UTC).date()
    assert place.query("SELECT * FROM {p}etl.etl_modifications") == [("raw/orders", today, 1, 2)]


def test_a_row_that_leaves_another_day_costs_a_statement_more(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one", 2: "two"})))
    publish(warehouse, staged(place.folder, orders({1: "moved"}, NEXT), NEXT))
    assert values(warehouse, place.folder, DAY, NEXT) == {1: "moved", 2: "two"}
    assert place.query("SELECT dml_statements FROM {p}etl.etl_modifications") == [(5,)]


def test_the_state_of_an_earlier_release_is_read_and_gains_its_column(place: Place) -> None:
    publish(place.warehouse(), staged(place.folder, orders({1: "one"})))
    before = place.warehouse().state()
    place.query("ALTER TABLE {p}etl.etl_state DROP COLUMN made_of")
    warehouse = place.warehouse()
    assert warehouse.state() == before
    assert warehouse.look(ORDERS).states == before
    made = staged(place.folder, orders({2: "two"}, NEXT), NEXT, made_of="a digest")
    publish(warehouse, made)
    assert [state.made_of for state in warehouse.state()] == [None, "a digest"]


def test_a_look_has_the_newest_of_each_kind(place: Place) -> None:
    warehouse = place.warehouse()
    assert warehouse.look(ORDERS).newest == {}
    newest, columns = entry("2", moment=at(NEXT)), entry("3", kind=Happening.COLUMNS)
    older = entry("1", moment=at(DAY))
    warehouse.move(own_row(), None, [older, newest, columns])
    look = warehouse.look(ORDERS)
    assert look.newest == {Happening.WATERMARK: newest, Happening.COLUMNS: columns}
    assert look.own is not None
    assert look.own == warehouse.table_state(ORDERS)
    assert look.states == []


def test_appends_are_refused_before_the_daily_limit_and_nothing_is_lost(place: Place) -> None:
    warehouse = place.warehouse(more="&load_jobs_a_day=2")
    publish(warehouse, staged(place.folder, orders({1: "one"})), mode=Mode.APPEND)
    two_more = [
        staged(place.folder, orders({2: "two"})),
        staged(place.folder, orders({3: "three"}, NEXT), NEXT),
    ]
    told = r"raw/orders had 1 load jobs today \(UTC\); 2 more would pass the 2 that BigQuery takes"
    with pytest.raises(WarehouseError, match=told):
        publish(warehouse, *two_more, mode=Mode.APPEND)
    assert values(warehouse, place.folder, DAY, NEXT) == {1: "one"}
    publish(warehouse, two_more[0], mode=Mode.APPEND)  # one still fits
    publish(warehouse, two_more[1], mode=Mode.MERGE)  # and other ways have no such limit
    assert sorted(values(warehouse, place.folder, DAY, NEXT)) == [1, 2, 3]


def test_json_cannot_be_appended_and_the_message_says_how_else(place: Place) -> None:
    table = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, {"v": {"logical": "json"}}
    )
    frame = orders({1: "{}"}).drop("updated_at")
    with pytest.raises(WarehouseError, match="Publish it by merge or replace"):
        publish(
            place.warehouse(),
            staged(place.folder, frame, table=table),
            table=table,
            mode=Mode.APPEND,
        )


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
    given = place.warehouse()
    publish(given, staged(place.folder, orders({1: "one"})))
    storage = Forbidding()
    clients = Clients(given._clients.rest, storage)  # type: ignore[arg-type]
    warehouse = BigQueryWarehouse(given.options, lambda: clients)
    assert values(warehouse, place.folder) == {1: "one"}
    assert values(warehouse, place.folder) == {1: "one"}
    assert storage.asked == 1


def test_only_the_contracts_columns_and_the_windows_days_are_asked_for(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one"})))
    asked = []
    storage = warehouse._clients.storage
    assert storage is not None
    create = storage.create_read_session

    def noting(**given: object) -> object:
        asked.append(given["read_session"])
        return create(**given)

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
    given = place.warehouse()
    clients = Clients(given._clients.rest, given._clients.storage, bucket)
    warehouse = BigQueryWarehouse(given.options, lambda: clients)
    publish(warehouse, staged(place.folder, orders({1: "one"}), rejected=["{}"]))
    publish(warehouse, staged(place.folder, orders({2: "two"})), mode=Mode.APPEND)
    assert values(warehouse, place.folder) == {1: "one", 2: "two"}
    with closing(place.server.client()) as client:
        sources = [
            job.source_uris for job in client.list_jobs(max_results=30) if job.job_type == "load"
        ]
    assert sum(str(uris).count(f"gs://{place.prefix}/etl/") for uris in sources if uris) == 3
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


def test_the_moment_of_a_read_is_on_the_services_clock(place: Place) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({1: "one"}, updated=at(DAY))))
    extract = warehouse.read(ORDERS, [Window.of(DAY)], place.folder / "in")
    assert abs(datetime.now(UTC) - extract.as_of) < timedelta(minutes=1)
