"""What only the real BigQuery can answer about runs at once: transactions, job ids, moments."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from uuid import uuid4

import polars as pl
import pytest
from google.api_core.exceptions import Conflict, GoogleAPICallError

from etl_assets.core.errors import WarehouseError, WarehouseUnavailable
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.bigquery.failures import is_conflict
from etl_assets_tests.bigquery_warehouse.real import (
    BIGQUERY_REAL,
    LATER,
    Real,
    at_once,
    open_transaction,
    own,
)
from etl_assets_tests.contract.days import DAY, ORDERS, entry, orders, publish, staged, values
from etl_assets_tests.contract.test_concurrency import DAYS, rows_of

pytestmark = BIGQUERY_REAL


def test_one_of_two_at_once_stays(real: Real) -> None:
    """Two transactions at once on an empty day leave one row set and its one state."""
    table, both = own(ORDERS), [real.warehouse(), real.warehouse()]
    for day in DAYS[:3]:  # the first round also makes the table's row
        stagings = []
        for number, warehouse in enumerate(both):
            rows, run = orders(dict.fromkeys(range(20), f"run-{number}"), day), f"run-{number}"
            mine = staged(real.folder, rows, day, table=table, run_id=run)
            stagings.append(partial(publish_staged, warehouse, table, [mine], run))
        at_once(*stagings)
        (state,) = [state for state in both[0].state(table) if state.partition_key == day]
        found = values(both[0], real.folder, day, table=table)
        assert found == dict.fromkeys(range(20), state.run_id)
        assert state.row_count == 20


def test_eight_threads_publish_eight_days(real: Real) -> None:
    """Eight threads publish eight days of a table within the configured wait."""
    table, warehouse = own(ORDERS), real.warehouse()
    warehouse.ensure(table)

    def one(day: date) -> None:
        publish(
            warehouse, staged(real.folder, orders(rows_of(day), day), day, table=table), table=table
        )

    at_once(*(partial(one, day) for day in DAYS))
    expected = {key: value for day in DAYS for key, value in rows_of(day).items()}
    assert values(warehouse, real.folder, DAYS[0], DAYS[-1], table=table) == expected
    assert [state.partition_key for state in warehouse.state(table)] == DAYS


def fence(real: Real, table: LayerTable) -> str:
    """A statement that changes the row which publications of the table collide on."""
    return (
        f"UPDATE {real.name('etl', 'etl_tables')} "
        f"SET run_id = CONCAT(run_id, '.') WHERE table_name = '{table.path}'"
    )


def test_a_conflict_is_recognised(real: Real) -> None:
    """Of two transactions on the fence row one ends, in words that is_conflict knows."""
    table = own(ORDERS)
    publish(real.warehouse(), staged(real.folder, orders({1: "x"}), table=table), table=table)
    with open_transaction(real) as one, open_transaction(real) as other:

        def collide() -> None:
            for run in (one, other):
                run(fence(real, table))
            for run in (other, one):
                run("COMMIT TRANSACTION")

        with pytest.raises(GoogleAPICallError) as caught:
            collide()
        assert is_conflict(caught.value), str(caught.value)


def test_a_held_fence_keeps_out(real: Real) -> None:
    """Of an open transaction and a publication one gives way, and says so."""
    table, warehouse = own(ORDERS), real.warehouse(warehouse_wait_seconds=15)
    publish(warehouse, staged(real.folder, orders({1: "old"}), table=table), table=table)
    day = staged(real.folder, orders({1: "new"}), table=table, as_of=LATER)
    told = []
    with open_transaction(real) as holder:
        holder(fence(real, table))
        try:
            publish(warehouse, day, table=table)
        except WarehouseUnavailable as kept_out:
            told.append(kept_out.what)
        else:  # the service let the publication win: then the other must not commit
            with pytest.raises(GoogleAPICallError) as lost:
                holder("COMMIT TRANSACTION")
            assert is_conflict(lost.value), str(lost.value)
    assert all("Other runs kept changing the same table" in what for what in told)
    assert values(warehouse, real.folder, table=table) == {1: "old" if told else "new"}
    publish(warehouse, day, table=table)
    assert values(warehouse, real.folder, table=table) == {1: "new"}


def once(real: Real) -> tuple[str, str]:
    """A new table, quoted, and a job id."""
    real.warehouse().ensure(own(ORDERS))  # the dataset
    target, name = real.name("raw", f"once_{uuid4().hex[:8]}"), f"etl_once_{uuid4().hex}"
    real.query(f"CREATE TABLE {target} (n INT64)")
    return target, name


def test_a_job_id_is_used_once(real: Real) -> None:
    """A job id that is used again meets 409; we take the same job, and no other one."""
    target, name = once(real)
    jobs, insert = real.warehouse()._jobs, f"INSERT INTO {target} (n) VALUES (1)"
    first, again = jobs.query(insert, name), jobs.query(insert, name)
    assert (again.job_id, again.created) == (first.job_id, first.created)
    with pytest.raises(Conflict):
        real.client.query(insert, job_id=first.job_id, job_retry=None)
    with pytest.raises(WarehouseError, match="belongs to a job that does something else"):
        jobs.query(f"{insert}, (2)", name)
    assert real.rows(f"SELECT n FROM {target}") == [(1,)]


def test_a_job_id_at_once_is_used_once(real: Real) -> None:
    """Of four threads with one job id one starts the job, and all get it."""
    target, name = once(real)
    insert = f"INSERT INTO {target} (n) VALUES (1)"
    jobs = at_once(*(partial(real.warehouse()._jobs.query, insert, name) for _ in range(4)))
    assert len({job.job_id for job in jobs}) == 1
    assert real.rows(f"SELECT n FROM {target}") == [(1,)]


def test_listed_states_are_up_to_date(real: Real) -> None:
    """What is listed without a job is what was just committed, and the version changes with it."""
    table, warehouse = own(ORDERS), real.warehouse()
    seen = [warehouse.version()]
    for number in range(3):
        day = staged(real.folder, orders({1: str(number)}), table=table, run_id=f"run-{number}")
        publish(warehouse, day, table=table)
        own_state = warehouse.table_state(table)
        assert own_state is not None
        assert own_state.run_id == f"run-{number}"
        assert [state.load_id for state in warehouse.state(table)] == [own_state.load_id]
        seen.append(warehouse.version())
    warehouse.record([entry(table=table)])
    seen.append(warehouse.version())
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("read", ["storage", "rest"])
def test_a_read_is_of_one_moment(real: Real, read: str) -> None:
    """Two days read amid publications are of one of them; older moments stay readable."""
    table, publisher = own(ORDERS), real.warehouse()
    reader, days = real.warehouse(f"&read={read}"), [DAY, DAYS[2]]  # apart: two requests
    windows = [Window.of(day) for day in days]

    def turn(number: int) -> None:
        rows = dict.fromkeys(range(10), str(number))
        given = [staged(real.folder, orders(rows, day), day, table=table) for day in days]
        publish(publisher, *given, table=table)

    turn(0)
    moment, seen = reader._now(), []
    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(lambda: [turn(number) for number in (1, 2, 3)])
        while not seen or not publishing.done():
            extract = reader.read(table, windows, real.folder / uuid4().hex)
            seen.append([v for frame in extract.frames for v in frame.collect()["v"]])
        publishing.result()
    assert [(len(rows), len(set(rows))) for rows in seen] == [(20, 1)] * len(seen)
    files = reader._reader.spool(table, windows, moment, real.folder / "older")
    assert [pl.read_parquet(paths)["v"].to_list() for paths in files] == [["0"] * 10] * 2
