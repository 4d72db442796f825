"""Rows in the warehouse equal rows in the source, day by day and column by column.

The whole road: PostgreSQL, `load_days`, `publish_days`, DuckDB, compared by sums that PostgreSQL
and Python compute apart.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from etl_assets.core.table import LayerTable
from etl_assets.demo.plan import ShopPlan, bad_rows
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets.tables import order_items, orders
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.checksums import form_of, frame_sums, source_sums
from etl_assets_tests.source_tables import (
    NAIVE,
    UTC_MOMENT,
    carry,
    layer_table,
    published_rows,
    quoted,
    run,
)

FIRST = date(2024, 3, 30)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]


@dataclass(frozen=True)
class Odd:
    """A column of the odd table: type, the contract's dtype, the kind of its form, values."""

    type: str
    dtype: Any
    kind: str
    values: Sequence[str]
    cast: str = ""


ODD = {
    "flag": Odd("bool", pl.Boolean, "boolean", ["true", "false"]),
    "small": Odd("int2", pl.Int16, "integer", ["-32768", "32767", "0"]),
    "plain": Odd("int4", pl.Int32, "integer", ["-2147483648", "2147483647"]),
    "big": Odd("int8", pl.Int64, "integer", ["-9223372036854775808", "9223372036854775807"]),
    "an_oid": Odd("oid", pl.Int64, "integer", ["4294967295", "0"]),
    "f4": Odd("float4", pl.Float32, "float", ["1e-45", "NaN", "-Infinity", "3.4028235e38"]),
    "f8": Odd(
        "float8", pl.Float64, "float", ["5e-324", "NaN", "Infinity", "-Infinity", "-0", "0.1"]
    ),
    "price": Odd("numeric(10,2)", pl.Decimal(10, 2), "decimal", ["-12345678.90", "0.01"]),
    "wide": Odd(
        "numeric(38,9)",
        pl.Decimal(38, 9),
        "decimal",
        ["12345678901234567890123456789.123456789", "-0.000000001"],
    ),
    "loose": Odd("numeric", pl.Decimal(38, 30), "decimal", ["1e-30", "7"], "::numeric(38,30)"),
    "huge": Odd("numeric", pl.String, "text", ["9" * 60 + ".10", "NaN", "1.10"]),
    "cash": Odd("money", pl.Decimal(19, 2), "decimal", ["-92233720368547758.08", "3"], "::numeric"),
    "at": Odd(
        "timestamptz",
        UTC_MOMENT,
        "moment",
        ["0001-01-01 00:00+00", "1969-12-31 23:59:59.999999+00", "9999-12-31 23:59:59.999999+00"],
    ),
    "naive": Odd("timestamp", NAIVE, "moment", ["1900-01-01 00:00:00.000001", "2024-02-29 12:00"]),
    "on_day": Odd("date", pl.Date, "date", ["0001-01-01", "1969-12-31", "9999-12-31"]),
    "clock": Odd("time", pl.Time, "time", ["00:00", "23:59:59.999999", "12:34:56.7"]),
    "clock_tz": Odd("timetz", pl.String, "text", ["24:00+05:30", "12:00:00.5-11"]),
    "span": Odd("interval", pl.String, "text", ["1 year 2 mons -3 days 04:05:06.7", "0"]),
    "doc": Odd("json", pl.String, "text", ['{"a":1.10,"a":123456789012345678901}', "null", '""']),
    "docb": Odd("jsonb", pl.String, "text", ['{"b":1.10,"a":[1e400]}', "null", "{}"]),
    "uid": Odd("uuid", pl.String, "text", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    "raw": Odd("bytea", pl.Binary, "bytes", ["\\x00ff0a2c22", "", "\\x5c2e"]),
    "mood": Odd("mood", pl.String, "text", ["sad", "happy, no?"]),
    "label": Odd("label", pl.String, "text", ["", "x"]),
    "cost": Odd("cost", pl.Decimal(10, 2), "decimal", ["0.10", "99999999.99"]),
    "words": Odd(
        "text",
        pl.String,
        "text",
        ["", "NULL", "\\.", "\n\\.\n", 'a "b", c', "a\r\nb", "\u200b", "👩\u200d👧", "\\N", " x "],
    ),
    "padded": Odd("char(5)", pl.String, "bytes", ["ab", ""], "::bpchar::bytea"),
    "ints": Odd("int4[]", pl.List(pl.Int32), "list of integer", ["{1,NULL,-3}", "{}"]),
    "texts": Odd(
        "text[]", pl.List(pl.String), "list of text", ['{NULL,"NULL","",",","\\"","a\nb"}', "{}"]
    ),
    "moments": Odd(
        "timestamptz[]",
        pl.List(UTC_MOMENT),
        "list of moment",
        ['{"1969-12-31 23:59:59.999999+00"}'],
    ),
    "decimals": Odd("numeric[]", pl.List(pl.Decimal(20, 5)), "list of decimal", ["{1.00001,NULL}"]),
    "docs": Odd("jsonb[]", pl.List(pl.String), "list of text", ['{"{\\"a\\":1.10}",NULL,"null"}']),
    "blobs": Odd("bytea[]", pl.List(pl.Binary), "list of bytes", ['{"\\\\x00ff",""}']),
    "matrix": Odd("int4[]", pl.String, "text", ["{{1,2},{3,NULL}}", "{}"], "::jsonb::text"),
    "r": Odd("tstzrange", pl.String, "text", ["[2024-01-01 00:00Z,infinity)", "empty"]),
    "mr": Odd("int4multirange", pl.String, "text", ["{[1,2),[5,9)}", "{}"]),
    "bits": Odd("bit(5)", pl.String, "text", ["10100"]),
    "net": Odd("inet", pl.String, "text", ["10.0.0.1/8", "::1"]),
    "subnet": Odd("cidr", pl.String, "text", ["10.0.0.0/8"]),
    "mac": Odd("macaddr", pl.String, "text", ["08:00:2b:01:02:03"]),
    "pt": Odd("point", pl.String, "text", ["(1.5,-2)"]),
    "lsn": Odd("pg_lsn", pl.String, "text", ["16/B374D848"]),
    "xid": Odd("xid8", pl.String, "text", ["18446744073709551615"]),
    "two": Odd("pair", pl.String, "text", ['(1,"a, b")', "(,)"]),
}
BAD = {
    "price": "NaN",
    "loose": "1e-31",
    "at": "infinity",
    "naive": "0044-03-15 00:00 BC",
    "on_day": "10000-01-01",
    "clock": "24:00",
    "ints": "{{1,2},{3,4}}",
    "decimals": "{NaN}",
}
ROWS = 600


def odd_forms() -> dict[str, str]:
    forms = {name: form_of(odd.kind, f't."{name}"{odd.cast}') for name, odd in ODD.items()}
    # to_json is the reader's own road for a matrix: PostgreSQL's text, made JSON by hand, is not.
    forms["matrix"] = form_of(
        "text", "translate(replace(t.matrix::text, 'NULL', 'null'), '{}', '[]')"
    )
    forms["padded"] = "encode(convert_to(rpad(t.padded::text, 5), 'UTF8'), 'hex')"
    return {"id": form_of("integer", "t.id"), "day_at": form_of("moment", "t.day_at"), **forms}


@pytest.fixture(scope="module")
def odd_url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("odd_table")
    url = postgres.url("odd_table")
    columns = ", ".join(f'"{name}" {odd.type}' for name, odd in ODD.items())
    # Every value in turn, then a NULL, at another pace in each column.
    values = ", ".join(
        f"((ARRAY[{', '.join(map(quoted, odd.values))}, NULL])"
        f"[1 + (n / {3 + 3 * (at % 3)}) % {len(odd.values) + 1}])::{odd.type}"
        for at, odd in enumerate(ODD.values())
    )
    run(
        url,
        "CREATE TYPE mood AS ENUM ('sad', 'happy, no?')",
        "CREATE DOMAIN label AS text",
        "CREATE DOMAIN cost AS numeric(10,2)",
        "CREATE TYPE pair AS (n int, t text)",
        f"CREATE TABLE odd (id bigint PRIMARY KEY, day_at timestamptz NOT NULL, {columns})",
        f"INSERT INTO odd SELECT n, '{FIRST} 00:00Z'::timestamptz + n % 3 * interval '1 day' "
        "+ CASE n / 3 % 4 WHEN 0 THEN interval '0' WHEN 1 THEN interval '23:59:59.999999' "
        f"ELSE n * interval '1 minute' / 2 END, {values} FROM generate_series(1, {ROWS}) n",
        *(
            f'UPDATE odd SET "{name}" = {quoted(bad)} WHERE id = {n}'
            for n, (name, bad) in enumerate(BAD.items(), 101)
        ),
    )
    return url


@pytest.fixture(scope="module")
def odd_table() -> LayerTable:
    dtypes = {"id": pl.Int64, "day_at": UTC_MOMENT} | {n: odd.dtype for n, odd in ODD.items()}
    return layer_table(dtypes, name="odd")


@pytest.fixture(scope="module")
def odd_warehouse(
    odd_url: str, odd_table: LayerTable, tmp_path_factory: pytest.TempPathFactory
) -> DuckDBWarehouse:
    return carry(odd_url, odd_table, DAYS, tmp_path_factory.mktemp("odd"))


def of_day(day: date, column: str = "day_at") -> str:
    end = day + timedelta(days=1)
    return f"t.{column} >= '{day} 00:00Z' AND t.{column} < '{end} 00:00Z'"


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_column_of_odd_types_is_the_same_in_the_warehouse(
    odd_url: str, odd_table: LayerTable, odd_warehouse: DuckDBWarehouse, day: date, tmp_path: Path
) -> None:
    good = f"{of_day(day)} AND t.id NOT BETWEEN 101 AND {100 + len(BAD)}"
    expected = source_sums(odd_url, "odd", good, odd_forms())

    rows = published_rows(odd_warehouse, odd_table, day, tmp_path)

    assert frame_sums(rows) == expected
    assert rows.schema == {c.name: c.dtype for c in odd_table.columns}
    assert rows.is_empty() == (day == DAYS[3])
    if not rows.is_empty():  # a sum over nothing would prove nothing
        assert all(0 < expected[name].nulls < expected[name].rows for name in ODD)


def quarantined(warehouse: DuckDBWarehouse) -> list[dict[str, Any]]:
    with duckdb.connect(str(warehouse.path)) as connection:
        return connection.sql("SELECT * FROM etl.etl_quarantine ORDER BY payload").pl().to_dicts()


def test_what_is_not_published_is_in_quarantine_with_its_reason(
    odd_url: str, odd_table: LayerTable, odd_warehouse: DuckDBWarehouse
) -> None:
    found = {
        row["source_position"]: (row["rule"], json.loads(row["payload"])[row["rule"].split(":")[0]])
        for row in quarantined(odd_warehouse)
    }
    assert found == {
        f"postgres:public.odd id={n}": (
            f"{name}: representable",
            run(odd_url, f'SELECT "{name}"::text FROM odd WHERE id = {n}')[0][0],
        )
        for n, name in enumerate(BAD, 101)
    }
    states = odd_warehouse.state(odd_table)
    counts = [(s.source_count, s.row_count + s.quarantined_count) for s in states]
    assert counts == [(ROWS / 3, ROWS / 3)] * 3 + [(0, 0)]


SHOP_DAYS = 14
ORDER_KINDS = {
    "id": "integer",
    "customer_id": "integer",
    "status": "text",
    "total_cents": "integer",
    "currency": "text",
    "channel": "text",
    "discount_cents": "integer",
    "coupon_code": "text",
    "note": "text",
    "created_at": "moment",
    "updated_at": "moment",
}


@pytest.fixture(scope="module")
def shop_url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("fidelity_shop")
    fill_shop(postgres.url("fidelity_shop"), days=SHOP_DAYS, orders_a_day=150)
    return postgres.url("fidelity_shop")


def test_the_shop_s_orders_are_the_same_in_the_warehouse_with_bad_rows_accounted_for(
    shop_url: str, tmp_path: Path
) -> None:
    plan = ShopPlan(days=SHOP_DAYS, orders_a_day=150)
    days = [plan.day(n) for n in range(SHOP_DAYS)]
    table = orders.TABLE.layer_tables()[0]
    forms = {name: form_of(kind, f"t.{name}") for name, kind in ORDER_KINDS.items()}

    warehouse = carry(shop_url, table, days, tmp_path)

    published = [published_rows(warehouse, table, day, tmp_path) for day in days]
    for day, rows in zip(days, published, strict=True):
        finite = f"{of_day(day, 'created_at')} AND isfinite(t.updated_at)"
        assert frame_sums(rows) == source_sums(shop_url, "orders", finite, forms), day

    infinite = [bad.id for bad in bad_rows(plan) if bad.kind == "infinite_updated_at"]
    set_aside = quarantined(warehouse)
    assert infinite
    assert [json.loads(row["payload"])["id"] for row in set_aside] == [str(n) for n in infinite]
    states = warehouse.state(table)
    assert [s.source_count for s in states] == list(plan.order_counts)
    assert all(s.source_count == s.row_count + s.quarantined_count for s in states)
    total = run(
        shop_url, "SELECT count(*), sum(total_cents) FROM orders WHERE isfinite(updated_at)"
    )
    everything = pl.concat(published)
    assert total == [(everything.height, everything["total_cents"].sum())]


def test_lines_come_out_on_the_day_of_their_order(shop_url: str, tmp_path: Path) -> None:
    table = order_items.TABLE.layer_tables()[0]
    days = [ShopPlan().day(n) for n in range(3)]
    kinds = dict.fromkeys(
        ["id", "order_id", "product_id", "quantity", "unit_price_cents", "discount_cents"],
        "integer",
    )
    forms = {name: form_of(kind, f"t.{name}") for name, kind in kinds.items()}
    forms |= {n: form_of("moment", f"t.{n}") for n in ("order_created_at", "updated_at")}
    joined = "(SELECT i.*, o.created_at AS order_created_at FROM order_items i, orders o"
    joined += " WHERE o.id = i.order_id)"

    warehouse = carry(shop_url, table, days, tmp_path)

    for day in days:
        expected = source_sums(shop_url, joined, of_day(day, "order_created_at"), forms)
        assert frame_sums(published_rows(warehouse, table, day, tmp_path)) == expected
        assert expected["*"].rows > 0
