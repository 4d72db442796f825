"""Asking what is remembered starts no job: whoever asks every minute pays for nothing."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from etl_assets.core.state import TableState
from etl_assets.warehouse.bigquery import BigQueryWarehouse, records
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    entry,
    orders,
    own_row,
    publish,
    staged,
    token_of,
)
from etl_assets_tests.wire.http_proxy import HttpProxy


@pytest.fixture
def proxy(place: Place) -> Iterator[HttpProxy]:
    with HttpProxy(place.server.rest_host) as proxy:
        yield proxy


def jobs_of(place: Place) -> int:
    with closing(place.server.client()) as client:
        return sum(1 for _ in client.list_jobs(all_users=True))


def ask(warehouse: BigQueryWarehouse) -> None:
    for _ in range(3):
        warehouse.version()
        warehouse.table_state(ORDERS)
        warehouse.table_states()
        warehouse.state()
        warehouse.state(ORDERS)
        warehouse.quarantine_counts(ORDERS)
        warehouse.file_days(ORDERS)


def test_asking_for_states_starts_no_job_and_little_is_sent(place: Place, proxy: HttpProxy) -> None:
    publish(place.warehouse(), staged(place.folder, orders({1: "one"}), rejected=["{}"]))
    warehouse = place.warehouse(through=proxy)
    before = jobs_of(place)
    ask(warehouse)
    assert jobs_of(place) == before
    assert [seen.path for seen in proxy.requests if seen.method != "GET"] == []
    assert [seen.path for seen in proxy.requests if "/jobs" in seen.path] == []
    proxy.requests.clear()
    ask(warehouse)  # the columns of the tables are known by now
    assert len(proxy.requests) <= 3 * 11
    assert warehouse.quarantine_counts(ORDERS) == {DAY: 1}


def test_a_warehouse_that_nobody_published_to_is_asked_for_nothing_either(
    place: Place, proxy: HttpProxy
) -> None:
    warehouse = place.warehouse(through=proxy)
    ask(warehouse)
    assert (warehouse.table_state(ORDERS), warehouse.table_states()) == (None, [])
    assert (warehouse.state(), warehouse.quarantine_counts(ORDERS)) == ([], {})
    assert warehouse.quarantined(ORDERS).is_empty()
    assert warehouse.history(ORDERS, "watermark") == []
    with closing(place.server.client()) as client:
        made = [item.dataset_id for item in client.list_datasets()]
    assert [name for name in made if name.startswith(place.prefix)] == []


@pytest.mark.thorough
def test_the_version_is_another_one_after_each_change_and_no_other_time(place: Place) -> None:
    warehouse, asking = place.warehouse(), place.warehouse()

    def moved(state: TableState | None) -> None:
        warehouse.move(own_row(), state.load_id if state else None, [])

    seen = [asking.version()]
    for change in (
        lambda: publish(warehouse, staged(place.folder, orders({1: "one"}))),
        lambda: publish(warehouse, staged(place.folder, orders({1: "one"}, NEXT), NEXT)),
        lambda: moved(warehouse.table_state(ORDERS)),
        lambda: warehouse.verify(ORDERS, [DAY], AS_OF),
        lambda: warehouse.verify(ORDERS, [DAY, NEXT], AS_OF + timedelta(hours=1)),
        lambda: warehouse.record([entry()]),
    ):
        change()
        seen.append(asking.version())
        assert asking.version() == place.warehouse().version() == seen[-1]
    assert len(set(seen)) == len(seen)
    assert token_of(asking) == token_of(warehouse)


@pytest.mark.thorough
def test_a_large_quarantine_is_counted_by_a_query(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders({}), rejected=["{}"] * 3))
    monkeypatch.setattr(records, "_MOST_LISTED", 2)
    before = jobs_of(place)
    assert warehouse.quarantine_counts(ORDERS) == {DAY: 3}
    assert jobs_of(place) == before + 1
