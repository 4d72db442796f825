"""What a reader may see of a publication: the old days or the new ones, with their state."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.errors import EtlError, StalePublication, WarehouseError
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import replacement
from etl_assets_tests.contract.backends import Backend, Rows
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    publish,
    published,
    spooled,
    staged,
    values,
)


def everything(backend: Backend, folder: Path) -> tuple[Rows, Rows, Rows]:
    """All that a warehouse holds, seen past its interface."""
    audit = ["_ingested_at", "_source", "_run_id", "_schema_version"]
    columns = [*(column.name for column in ORDERS.columns), *audit]
    state = ["table_name", "partition_key", "row_count", "load_id", "run_id", "updated_at"]
    quarantine = ["table_name", "partition_key", "rule", "source_position", "payload", "run_id"]
    return (
        backend.rows(folder, "raw", "orders", columns),
        backend.rows(folder, "etl", "etl_state", state),
        backend.rows(folder, "etl", "etl_quarantine", quarantine),
    )


@pytest.mark.soak_for("bigquery")
def test_a_published_day_is_read_back(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = orders({1: "one", 2: "two"})
    publish(warehouse, staged(tmp_path, frame))
    assert_frame_equal(published(warehouse, tmp_path), frame)


@pytest.mark.soak_for("bigquery")
def test_every_row_says_where_it_came_from(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one"}), source="postgres:public.orders"),
        staged(tmp_path, orders({2: "two"}, NEXT), NEXT, source="file:late.csv"),
    )
    rows = backend.rows(tmp_path, "raw", "orders", ["id", "_source", "_run_id", "_ingested_at"])
    assert [row[:3] for row in rows] == [
        (1, "postgres:public.orders", "run-1"),
        (2, "file:late.csv", "run-1"),
    ]
    assert {row[3] for row in rows} == {AS_OF}


@pytest.mark.thorough_but("duckdb", "postgres")
def test_a_day_published_again_replaces_its_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one", 2: "two"})))
    publish(warehouse, staged(tmp_path, orders({2: "changed", 3: "three"}), run_id="run-2"))
    assert values(warehouse, tmp_path) == {2: "changed", 3: "three"}


@pytest.mark.soak_for("bigquery")
def test_a_day_replaced_twice_is_identical(warehouse: Warehouse, tmp_path: Path) -> None:
    day = staged(tmp_path, orders({n: f"v{n}" for n in range(500)}), rejected=["{}"])
    publish(warehouse, day)
    once, states = published(warehouse, tmp_path), warehouse.state()
    publish(warehouse, day)
    assert_frame_equal(published(warehouse, tmp_path), once)
    assert warehouse.state() == states


@pytest.mark.soak_for("bigquery")
def test_a_replacement_leaves_other_days_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    days = [DAY - timedelta(days=1), DAY, NEXT, NEXT + timedelta(days=1)]
    publish(
        warehouse,
        *(staged(tmp_path, orders({n: "old"}, day), day) for n, day in enumerate(days)),
    )
    publish(  # two days with a gap between them
        warehouse,
        staged(tmp_path, orders({0: "new"}, days[0]), days[0]),
        staged(tmp_path, orders({2: "new"}, days[2]), days[2]),
    )
    found = values(warehouse, tmp_path, *days)
    assert found == {0: "new", 1: "old", 2: "new", 3: "old"}


@pytest.mark.soak_for("bigquery")
def test_an_empty_day_clears_its_partition_and_says_so(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    publish(warehouse, staged(tmp_path, orders({})))
    assert values(warehouse, tmp_path) == {}
    (state,) = warehouse.state(ORDERS)
    assert (state.row_count, state.source_count) == (0, 0)


@pytest.mark.soak_for("bigquery")
def test_nothing_to_publish_changes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    before = warehouse.state()
    publish(warehouse)
    assert warehouse.state() == before


@pytest.mark.thorough_but("duckdb", "postgres")
def test_l5_an_older_snapshot_never_overwrites_a_newer_one(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "new"})))
    before = everything(backend, tmp_path)
    older = AS_OF - timedelta(microseconds=1)
    with pytest.raises(StalePublication, match=r"raw/orders 2024-05-17 .*published nothing"):
        publish(
            warehouse,
            staged(tmp_path, orders({1: "old"}), as_of=older, rejected=["{}"]),
            staged(tmp_path, orders({2: "other"}, NEXT), NEXT),
        )
    assert everything(backend, tmp_path) == before
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "new"}


@pytest.mark.soak_for("bigquery")
def test_l5_a_snapshot_of_the_same_moment_may_be_published_again(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "first"})))
    publish(warehouse, staged(tmp_path, orders({1: "again"})))
    assert values(warehouse, tmp_path) == {1: "again"}


@pytest.mark.soak_for("bigquery-truncated", "bigquery-no Parquet", "bigquery-gone")
@pytest.mark.parametrize("harm", ["truncated", "no Parquet", "gone", "broken quarantine"])
def test_l2_a_publication_that_breaks_in_the_middle_changes_nothing(
    warehouse: Warehouse, backend: Backend, tmp_path: Path, harm: str
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "old"}), rejected=["{}"]))
    before = everything(backend, tmp_path)
    later = AS_OF + timedelta(days=1)
    sound = staged(
        tmp_path, orders({1: "new", 2: "new"}, updated=at(NEXT)), as_of=later, rejected=["[]"]
    )
    broken = staged(
        tmp_path, orders({9: "new"}, NEXT), NEXT, source="another", as_of=later, rejected=["[]"]
    )
    path = (broken.quarantine if harm == "broken quarantine" else broken.files).files[0]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"text" if harm == "no Parquet" else path.read_bytes()[:-50])
    with pytest.raises((WarehouseError, EtlError)) as caught:
        publish(warehouse, sound, broken)
    assert everything(backend, tmp_path) == before
    assert "new" not in str(caught.value), "the message must not quote rows"


def test_l2_the_state_is_committed_with_the_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    day = staged(tmp_path, orders({1: "one", 2: "two"}), rejected=["{}"])
    publish(warehouse, day)
    assert warehouse.state() == [day.state]
    assert warehouse.state(ORDERS) == [day.state]
    (state,) = warehouse.state()
    assert state.as_of.utcoffset() == timedelta(0)
    again = staged(tmp_path, orders({1: "one"}), run_id="run-2")
    publish(warehouse, again)
    assert warehouse.state() == [again.state]


@pytest.mark.soak_for("bigquery")
def test_states_are_by_table_and_day(warehouse: Warehouse, tmp_path: Path) -> None:
    assert warehouse.state() == []
    publish(warehouse, staged(tmp_path, orders({2: "b"}, NEXT), NEXT))
    publish(warehouse, staged(tmp_path, orders({1: "a"})))
    assert [state.partition_key for state in warehouse.state()] == [DAY, NEXT]


@pytest.mark.thorough_for("bigquery")
def test_the_quarantine_is_replaced_with_its_day(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one"}), rejected=['{"id": 8}', '{"id": 9}']),
        staged(tmp_path, orders({2: "two"}, NEXT), NEXT, rejected=['{"id": 7}']),
    )
    publish(warehouse, staged(tmp_path, orders({1: "one"}), rejected=['{"id": 9}']))
    columns = ["partition_key", "payload", "rule", "quarantined_at"]
    assert backend.rows(tmp_path, "etl", "etl_quarantine", columns) == [
        (DAY, '{"id": 9}', "v: isin", AS_OF),
        (NEXT, '{"id": 7}', "v: isin", AS_OF),
    ]
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    assert [row[0] for row in backend.rows(tmp_path, "etl", "etl_quarantine", columns)] == [NEXT]


@pytest.mark.soak_for("bigquery")
def test_a_day_of_several_spool_files_is_published_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({1: "one"}))
    for number in (2, 3):
        day.files.write(orders({number: "more"}))
        day.files.close()
    assert len(day.files.files) == 3
    publish(warehouse, day)
    assert values(warehouse, tmp_path) == {1: "one", 2: "more", 3: "more"}


@pytest.mark.thorough_for("bigquery")
def test_staged_rows_are_invisible_until_they_are_published(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    warehouse.ensure(ORDERS)
    staging = warehouse.stage(ORDERS, [staged(tmp_path, orders({1: "one"}))], "run-1")
    assert values(warehouse, tmp_path) == {}
    assert warehouse.state() == []
    known = warehouse.recorded(ORDERS)
    facts = warehouse.facts(staging, elsewhere=False, versions=False)
    warehouse.publish(
        replacement(staging, known, facts, lambda keys: spooled(tmp_path, keys), None)
    )
    warehouse.discard(staging)
    warehouse.discard(staging)
    assert values(warehouse, tmp_path) == {1: "one"}


@pytest.mark.soak_for("bigquery")
def test_a_spool_file_with_columns_in_another_order_is_matched_by_name(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    frame = orders({1: "one"})
    publish(warehouse, staged(tmp_path, frame.select(*reversed(frame.columns))))
    assert_frame_equal(published(warehouse, tmp_path), frame)


@pytest.mark.soak_for("bigquery")
def test_a_spool_file_that_lacks_a_column_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "old"})))
    with pytest.raises(WarehouseError):
        publish(warehouse, staged(tmp_path, orders({1: "new"}).drop("v")))
    assert values(warehouse, tmp_path) == {1: "old"}


def test_text_that_looks_like_sql_is_only_text(warehouse: Warehouse, tmp_path: Path) -> None:
    nasty = {1: "'; DROP TABLE raw.orders; --", 2: '"x" \\ $1 ? %s', 3: ""}
    publish(warehouse, staged(tmp_path, orders(nasty)))
    assert values(warehouse, tmp_path) == nasty
    assert published(warehouse, tmp_path).schema["v"] == pl.String
