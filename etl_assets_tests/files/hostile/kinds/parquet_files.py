"""Parquet files that are not damaged, of many types and schemas, by kinds."""

from dataclasses import replace
from decimal import Context, Decimal
from random import Random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.cases import of_column as col
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds
from etl_assets_tests.files.hostile.kinds.parquet_tables import (
    KINDS as TYPES,
)
from etl_assets_tests.files.hostile.kinds.parquet_tables import case_of, drafted, drawn

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)
_DTYPES = [dtype for _, _, dtypes in TYPES for dtype in dtypes]


@kind("all types, as they fit")
def good(random: Random) -> Case:
    return case_of(random, *drafted(random))


@kind("types against any dtype")
def any_dtype(random: Random) -> Case:
    table, columns = drafted(random, 2)
    columns = tuple(replace(column, dtype=random.choice(_DTYPES)) for column in columns)
    return case_of(random, table, columns)


@kind("decimals of any precision and scale")
def decimals(random: Random) -> Case:
    precision = random.randint(1, 38)
    scale = random.randint(0, precision)
    wanted = random.randint(max(1, precision - 2), 38)
    dtype = pl.Decimal(wanted, random.randint(0, wanted))
    units = [0, 1, -1, 10**precision - 1, 1 - 10**precision]
    values = [Decimal(unit).scaleb(-scale, Context(prec=40)) for unit in units]
    table = pa.table({"d": drawn(random, pa.decimal128(precision, scale), values, 5)})
    return case_of(random, table, (col("d", dtype),))


@kind("moments of other units and zones, INT96 among them")
def moments(random: Random) -> Case:
    arrow = pa.timestamp(random.choice(["ms", "us", "ns"]), random.choice([None, "UTC", "+05:30"]))
    values = [0, 1, -1, 10**15 + 1, -(10**15) - 1, 999, 10**12, -(10**18), 1706695872123456789]
    table = pa.table({"m": drawn(random, arrow, values, 6)})
    zone = "Europe/Berlin" if arrow.tz is None and random.random() < 0.5 else None
    dtype = pl.Datetime("us") if arrow.tz is None and zone is None else pl.Datetime("us", "UTC")
    column = col(
        "m", dtype, source_zone=zone, ambiguous=random.choice(["earliest", "null", "raise"])
    )
    if random.random() < 0.6:
        return case_of(random, table, (column,))
    # INT96 has no zone: what a reader finds is naive.
    nanoseconds = [value for value in values if abs(value) < 10**15 or arrow.unit == "ns"]
    naive = pa.table({"m": drawn(random, pa.timestamp("ns"), nanoseconds, 6)})
    column = replace(column, source_zone=zone or (None if dtype.time_zone is None else "UTC"))
    options = {"use_deprecated_int96_timestamps": True, "store_schema": False, "version": "2.6"}
    return case_of(random, naive, (column,), **options)


@kind("columns swapped, missing, more or twice")
def other_columns(random: Random) -> Case:
    table, columns = drafted(random, 3)
    table = table.select(random.sample(table.column_names, random.choice([3, 3, 2])))
    if random.random() < 0.5:
        name = random.choice(["extra", "c0.x", "C0", "", "c0", "_x", "\u00e9\n"])
        more = random.choice([pa.array([1] * len(table)), pa.array(["a\0\u00e9"] * len(table))])
        table = table.append_column(name, more)
    case = case_of(random, table, columns)
    return replace(case, missing=random.choice(["refuse", "null"]), overflow=random.random() < 0.4)


@kind("no rows, or no rows in a group")
def empty_groups(random: Random) -> Case:
    table, columns = drafted(random)
    parts = [table[:0], table, table[:0]] if random.random() < 0.5 else [table[:0]]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, write_page_checksum=True) as writer:
        for part in parts:
            writer.write_table(part)
    return replace(
        case_of(random, table, columns),
        content=sink.getvalue().to_pybytes(),
        written=pa.concat_tables(parts),
    )
