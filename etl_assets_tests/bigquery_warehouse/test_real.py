"""What only the real BigQuery can answer: values, transactions, job ids, pruning, limits, costs.

A run takes about twenty minutes. Its tables hold a few rows, but BigQuery bills at least 10 MB a
table and statement: some 20 GB in all, so 0.10 USD, or nothing within a month's free TiB.
What the emulator can answer is in the other modules; what to export is in docs/warehouses.md.
"""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import uuid4

import polars as pl
import pytest
from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.cloud.bigquery import ArrayQueryParameter
from polars.testing import assert_frame_equal

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError, WarehouseUnavailable
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.bigquery import given, spooled, system
from etl_assets.warehouse.bigquery.failures import is_conflict
from etl_assets.warehouse.bigquery.types import parsed
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, publish_by
from etl_assets_tests.bigquery_warehouse.keys import keys_are_matched
from etl_assets_tests.bigquery_warehouse.real import Real, at_once, open_transaction, own
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    entry,
    orders,
    publish,
    published,
    staged,
    values,
)
from etl_assets_tests.contract.test_concurrency import DAYS, rows_of
from etl_assets_tests.contract.test_schema import OLD, REQUIRED, put, things
from etl_assets_tests.contract.test_types import VALUES, bits
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

pytestmark = [
    pytest.mark.bigquery_real,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # Google's libraries warn of the ways to log in
]

LATER = AS_OF + timedelta(days=1)
DTYPES = {
    "decimals": ["decimal(38,0)", "decimal(38,9)", "decimal(38,38)", "decimal(18,2)"],
    "times": ["date", "time", "moment", "naive"],
    "numbers": ["boolean", "int16", "int32", "int64", "float32", "float64"],
    "text": ["text", "bytes", "list of bytes"],
    "nested": ["list without nulls", "list of structs", "struct", "struct of structs"],
}


def wide(kinds: Sequence[str]) -> tuple[LayerTable, pl.DataFrame]:
    """A table with a column of each kind, and rows that hold all its values."""
    dtypes = {f"c{number}": VALUES[kind][0] for number, kind in enumerate(kinds)}
    table = own(layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, **dtypes}))
    given = [VALUES[kind][1] for kind in kinds]
    rows = [
        (number, at(DAY), *(values[number % len(values)] for values in given))
        for number in range(max(map(len, given)))
    ]
    return table, pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")


@pytest.mark.parametrize("group", DTYPES)
def test_values_are_exact(real: Real, group: str) -> None:
    """NUMERIC, BIGNUMERIC, DATETIME, TIME, BYTES and nested values come back as they went."""
    table, frame = wide(DTYPES[group])
    warehouse = real.warehouse()
    publish(warehouse, staged(real.folder, frame, table=table), table=table)
    found = published(warehouse, real.folder, table=table)
    assert found.schema == frame.schema
    for kind, name in zip(DTYPES[group], frame.columns[2:], strict=True):
        there, given = found[name].to_list(), frame[name].to_list()
        assert [*map(bits, there)] == [*map(bits, given)], kind


NAMES = ["two words", "naïve_日本", "per%cent", "it's", "a-b", "#1 & <x>=y|z:+", "UPPER", "select"]


@pytest.mark.parametrize("way", WAYS)
def test_flexible_names_load(real: Real, way: str) -> None:
    """Columns named with spaces, signs and any letters are loaded, replaced and changed."""
    dtypes = {"the id": pl.Int64, "day at": UTC_MOMENT, **dict.fromkeys(NAMES, pl.String)}
    table = own(layer_table(dtypes, partition="day at", key=("the id",)))
    rows = [(number, at(DAY), *NAMES) for number in range(2)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    warehouse = real.warehouse()
    publish(warehouse, staged(real.folder, frame.head(1), table=table), table=table)
    more = frame if way == "replace" else frame.tail(1)
    publish_by(way, warehouse, staged(real.folder, more, table=table), table)
    assert_frame_equal(published(warehouse, real.folder, table=table), frame)


_CHANCE = random.Random(1)
NUMBERS = {
    "integers": [str(n) for n in (2**64 - 1, 2**63, 2**63 - 1, -(2**63), 2**53 + 1, 0)] + ["-0"],
    "17 digits": ["12345678.901234567", "0.30000000000000004", "0.10000000000000001", "1.0e2"],
    # The service's own text of a double is not always the shortest: these are said to be refused.
    "fractions": ["0.2002386475503002", "-0.707176497086", "0.0928069675519494", "0.1", "-0.0"],
    "random fractions": [repr(_CHANCE.uniform(-1, 1)) for _ in range(2000)],
    "random amounts": [repr(round(_CHANCE.uniform(0, 1e9), 2)) for _ in range(2000)],
    "extremes": ["5e-324", "1.7976931348623157e308", "-1.5E-300", "1e22", "1e400", "1e-400"],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_json_numbers_are_kept(real: Real, kind: str) -> None:
    """Each JSON number that our validation lets through is accepted and comes back equal."""
    column = {"v": {"logical": "json", "nullable": True}}
    table = own(layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, column))
    sent = [text for text in NUMBERS[kind] if is_let_through(table, text)]
    assert {"12345678.901234567", str(2**64 - 1), "0.1"} & set(sent) or kind not in list(NUMBERS)[
        :3
    ]
    refused = real.query(
        f"SELECT s.v FROM (SELECT v FROM UNNEST(@texts) AS v) AS s "
        f"WHERE SAFE.{parsed(table.column('v'), 's')} IS NULL",
        query_parameters=[ArrayQueryParameter("texts", "STRING", sent)],
    )
    assert [row[0] for row in refused.result()] == []
    rows = [(number, at(DAY), text) for number, text in enumerate(sent)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(real.warehouse(), staged(real.folder, frame, table=table), table=table)
    for read in ("storage", "rest"):
        found = published(real.warehouse(f"&read={read}"), real.folder, table=table)["v"]
        assert [*map(json.loads, found)] == [*map(json.loads, sent)]


def is_let_through(table: LayerTable, text: str) -> bool:
    try:
        spooled._check_json(table, table.column("v"), text)
    except WarehouseError:
        return False
    return True


def test_the_ends_of_the_calendar(real: Real) -> None:
    """The first and the last day that we let through have partitions."""
    table, warehouse = own(ORDERS), real.warehouse()
    ends = [date(1960, 1, 1), date(2159, 12, 31)]
    days = [staged(real.folder, orders({1: "x"}, day), day, table=table) for day in ends]
    publish(warehouse, *days, table=table)
    for day in ends:
        assert values(warehouse, real.folder, day, table=table) == {1: "x"}


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


@pytest.mark.parametrize("most", [1000, 0], ids=["as a parameter", "loaded"])
def test_null_keys_are_matched(real: Real, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Keys of every dtype, NULL among them, are looked up, removed and left out by joins."""
    monkeypatch.setattr(given, "_MOST_ROWS", most)
    keys_are_matched(real.warehouse(), real.folder)


def test_a_table_without_days_is_replaced(real: Real) -> None:
    """A table without days has no partitions, and is replaced and read as a whole."""
    table = replace(own(ORDERS), partition_column=None)
    warehouse = real.warehouse("&require_partition_filter=true")
    for value in ("old", "new"):
        day = staged(real.folder, orders({1: value}), WHOLE, table=table)
        publish(warehouse, day, table=table)
    assert values(warehouse, real.folder, WHOLE, table=table) == {1: "new"}
    assert warehouse.digests(table, [WHOLE], 1)["rows"].to_list() == [1]


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


def test_an_earlier_release_is_brought_over(real: Real) -> None:
    """The statements that bring an earlier release's rows over run, also where there are none."""
    table, warehouse = own(ORDERS), real.warehouse()
    publish(warehouse, staged(real.folder, orders({1: "one"}), table=table), table=table)
    before = warehouse.table_state(table)
    script = system._upgrade(warehouse._datasets).replace(f"< {SCHEMA_VERSION} THEN", "< 99 THEN")
    warehouse._jobs.query(script, f"etl_upgrade_{uuid4().hex}")
    assert warehouse.table_state(table) == before


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


@pytest.mark.parametrize("group", DTYPES)
def test_both_ways_read_the_same(real: Real, group: str) -> None:
    """Storage Read and REST read the same rows, and neither stands in for the other."""
    table, frame = wide(DTYPES[group])
    publish(real.warehouse(), staged(real.folder, frame, table=table), table=table)
    storage, rest = real.warehouse("&read=storage"), real.warehouse("&read=rest")
    by_storage = published(storage, real.folder, table=table)
    assert_frame_equal(by_storage, published(rest, real.folder, table=table))
    assert_frame_equal(by_storage, frame)
    assert storage._reader._storage is not None


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


DIFFERENT = {
    "gone": (things(OLD), things({"id": pl.Int64, "day_at": UTC_MOMENT}), None),
    "retyped": (things(OLD), things({**OLD, "v": pl.Int64}), 7),
    "required": (things(OLD), things(OLD, {"v": REQUIRED}), "7"),
    "no longer required": (things(OLD, {"v": REQUIRED}), things(OLD), None),
}


@pytest.mark.parametrize("change", DIFFERENT)
def test_the_statements_we_tell_work(real: Real, change: str) -> None:
    """What our message says to run works: drop, retype, rename away, DROP NOT NULL."""
    before, after, value = DIFFERENT[change]
    before = own(before)
    after, warehouse = replace(after, name=before.name), real.warehouse()
    put(warehouse, real.folder, before, v="7")
    with pytest.raises(WarehouseError) as caught:
        warehouse.ensure(after)
    real.query(str(caught.value).split("migrate the table: ")[1])
    warehouse.ensure(after)
    kept = published(warehouse, real.folder, table=after)
    assert kept.height == (0 if change == "required" else 1)
    put(warehouse, real.folder, after, v=value)
    row = published(warehouse, real.folder, table=after).row(0, named=True)
    assert row.get("v") == value


def test_added_columns_are_described(real: Real) -> None:
    """Three new columns are added and described within the rate of table changes."""
    before, warehouse = own(things(OLD)), real.warehouse()
    put(warehouse, real.folder, before)
    new = {"note": pl.String, "amount": pl.Decimal(18, 2), "tags": pl.List(pl.String)}
    after = replace(things({**OLD, **new}), name=before.name)
    warehouse.ensure(after)
    found = real.client.get_table(f"{real.prefix}raw.{after.name}").schema
    described = {field.name: field.description for field in found}
    assert [described[name] for name in new] == ["A test's."] * 3
    put(warehouse, real.folder, after, note="noted", tags=["a"])
    assert published(warehouse, real.folder, table=after)["note"].to_list() == ["noted"]
