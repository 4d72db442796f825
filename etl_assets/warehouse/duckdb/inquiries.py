"""What is asked of published rows: which those of some keys are, how many, and their digests.

What a digest is made of is `core/digests.py`; here it is written in DuckDB's SQL.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from etl_assets.core.contracts import Column, polars_schema
from etl_assets.core.digests import (
    BUCKETS_SCHEMA,
    SEPARATOR,
    compared,
    mark_left_out,
    row_digests_schema,
)
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import counted_nulls, profile_schema
from etl_assets.warehouse.cursor_sql import all_null, cursor_value, has_cursor, newest_moment
from etl_assets.warehouse.duckdb.schema import exists
from etl_assets.warehouse.duckdb.types import (
    day_of,
    literal,
    on_days,
    quote,
    relation,
    same_key,
)
from etl_assets.warehouse.publication import CURSOR, STAGED_DAY, Facts, Staging


def copy_out(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, condition: str, path: Path
) -> pl.LazyFrame:
    """The rows `t` that meet the condition, in the contract's columns, by way of a file."""
    schema = polars_schema(table.columns)
    connection.execute(
        f"COPY (SELECT {', '.join(map(quote, schema))} FROM {relation(table)} AS t "  # noqa: S608
        f"WHERE {condition}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)"
    )
    return pl.scan_parquet(path, schema=schema, glob=False)


def lookup(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, keys: SpoolFiles, path: Path
) -> pl.LazyFrame:
    """See `Warehouse.lookup`; `path` is the file that takes the rows."""
    if not keys.files or not exists(connection, table):
        return pl.LazyFrame(schema=polars_schema(table.columns))
    files = ", ".join(literal(str(file)) for file in keys.files)
    among = f"EXISTS (SELECT 1 FROM read_parquet([{files}]) AS s WHERE {same_key(table)})"  # noqa: S608
    if any(column.name.lower() == "rowid" for column in table.columns):  # which hides row ids
        return copy_out(connection, table, among, path)
    # Only the key is read of all rows: DuckDB then skips what has none of the row ids, which it
    # cannot do by a key that is compared with NULL equal to NULL.
    rows = f"SELECT t.rowid FROM {relation(table)} AS t WHERE {among}"  # noqa: S608 - quoted
    return copy_out(connection, table, f"t.rowid IN ({rows})", path)


def profile(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    days: Collection[date],
    among: Collection[str] | None = None,
) -> pl.DataFrame:
    """See `Warehouse.profile`."""
    counted = counted_nulls(table, among)
    schema = profile_schema(counted)
    if not days or not exists(connection, table):
        return pl.DataFrame(schema=schema)
    nulls = "".join(
        f", count(*) FILTER (WHERE {all_null(columns, quote)}) AS {quote(name)}"
        for name, columns in counted.items()
    )
    return _frame(
        connection,
        schema,
        f"SELECT {day_of(table)}, count(*){nulls} "  # noqa: S608 - quoted
        f"FROM {relation(table)} WHERE {on_days(table, days)} GROUP BY 1 ORDER BY 1",
    )


def facts(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, elsewhere: bool, versions: bool
) -> Facts:
    """See `Rows.facts`."""
    files = [str(path) for staged in staging.days for path in staged.files.files]
    nothing = Facts.nothing(staging.table)
    is_there = exists(connection, staging.table)
    return Facts(
        _elsewhere(connection, staging, files, nothing.elsewhere.schema)
        if elsewhere and files and is_there
        else nothing.elsewhere,
        _gains(connection, staging, files, nothing.versions.schema)
        if versions and files
        else nothing.versions,
    )


def _elsewhere(
    connection: duckdb.DuckDBPyConnection, staging: Staging, files: list[str], schema: pl.Schema
) -> pl.DataFrame:
    table = staging.table
    cursor = cursor_value(table, lambda name: f"t.{quote(name)}") or "NULL"
    columns = {name: f"t.{quote(name)}" for name in table.key}
    columns |= {STAGED_DAY: day_of(table, "t."), CURSOR: cursor}
    days = on_days(table, [staged.day for staged in staging.days])
    return _frame(
        connection,
        schema,
        f"SELECT {', '.join(columns[name] for name in schema)} "  # noqa: S608 - quoted
        f"FROM {relation(table)} AS t WHERE NOT coalesce({days}, FALSE) "
        f"AND EXISTS (SELECT 1 FROM read_parquet($files) AS s WHERE {same_key(table)})",
        {"files": files},
    )


def _gains(
    connection: duckdb.DuckDBPyConnection, staging: Staging, files: list[str], schema: pl.Schema
) -> pl.DataFrame:
    versions = staging.table.versions
    if versions is None:
        return pl.DataFrame(schema=schema)
    newest = newest_moment(versions, _staged)
    return _frame(
        connection,
        schema,
        f"SELECT {day_of(versions, 's.')} AS day, count(*), CAST({newest} AS TIMESTAMPTZ) "  # noqa: S608
        f"FROM ({new_versions(connection, versions)}) AS s GROUP BY 1 ORDER BY 1",
        {"files": files},
    )


def new_versions(connection: duckdb.DuckDBPyConnection, versions: LayerTable) -> str:
    """The query of the staged rows (`$files`) whose version is not there yet, each once."""
    there = ""
    if exists(connection, versions):
        there = (
            f"AND NOT EXISTS (SELECT 1 FROM {relation(versions)} AS t "  # noqa: S608 - quoted
            f"WHERE {same_key(versions)}) "
        )
    key = ", ".join(f"s.{quote(name)}" for name in versions.key)
    return (
        "SELECT * FROM read_parquet($files) AS s "  # noqa: S608 - quoted
        f"WHERE {has_cursor(versions, _staged)} {there}"
        f"QUALIFY row_number() OVER (PARTITION BY {key}) = 1"
    )


def _staged(name: str) -> str:
    return f"s.{quote(name)}"


def digests(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, days: Collection[date], buckets: int
) -> pl.DataFrame:
    """See `Warehouse.digests`."""
    if not days or not exists(connection, table):
        return pl.DataFrame(schema=BUCKETS_SCHEMA)
    return _frame(
        connection,
        BUCKETS_SCHEMA,
        f"SELECT day, bucket, count(*), sum({_number('digest', 1)}), sum({_number('digest', 9)}) "  # noqa: S608
        f"FROM (SELECT {day_of(table)}, {_bucket(table, buckets)}, {_md5(compared(table))} "
        f"FROM {relation(table)} AS t WHERE {on_days(table, days)}{_is_at_source(table)}) "
        "AS found (day, bucket, digest) "
        "GROUP BY ALL ORDER BY ALL",
    )


def row_digests(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    day: date,
    buckets: int,
    among: Collection[int],
) -> pl.DataFrame:
    """See `Warehouse.row_digests`."""
    schema = row_digests_schema(table)
    if not among or not exists(connection, table):
        return pl.DataFrame(schema=schema)
    return _frame(
        connection,
        schema,
        f"SELECT {', '.join(map(quote, table.key))}, {_md5(compared(table))} "  # noqa: S608
        f"FROM {relation(table)} AS t "
        f"WHERE {on_days(table, [day])} AND {_bucket(table, buckets)} = ANY($among)"
        f"{_is_at_source(table)}",
        {"among": list(among)},
    )


def _frame(
    connection: duckdb.DuckDBPyConnection,
    schema: pl.Schema,
    query: str,
    given: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """The query's rows, its columns named and typed as the schema says."""
    found: pl.DataFrame = connection.sql(query, params=dict(given or {})).pl()
    return found.rename(dict(zip(found.columns, schema, strict=True))).cast(schema)


def _is_at_source(table: LayerTable) -> str:
    """That the row is not marked as gone from the source: one more condition, or nothing."""
    mark = mark_left_out(table)
    return f" AND t.{quote(mark)} IS NULL" if mark else ""


def _bucket(table: LayerTable, buckets: int) -> str:
    return f"{_number(_md5([table.column(name) for name in table.key]), 1)} % {int(buckets)}"


def _number(digest: str, start: int) -> str:
    """Eight hex digits of a digest, from the 1-based place, as a number."""
    return f"CAST('0x' || substr({digest}, {start}, 8) AS BIGINT)"


def _md5(columns: Sequence[Column]) -> str:
    texts = [f"coalesce('V' || {_canonical(column)}, 'N')" for column in columns]
    return f"md5(concat_ws(chr({SEPARATOR}), {', '.join(texts)}))"


def _canonical(column: Column) -> str:
    """The expression of a value's canonical text."""
    return _text(column.dtype, f"t.{quote(column.name)}")


def _text(dtype: pl.DataType, name: str) -> str:
    match dtype:
        case pl.Boolean():
            return f"CAST(CAST({name} AS TINYINT) AS VARCHAR)"
        case pl.Decimal():  # without its point; the number has no more zeros in front
            return f"CAST(CAST(replace(CAST({name} AS VARCHAR), '.', '') AS HUGEINT) AS VARCHAR)"
        case pl.Datetime() | pl.Time():
            return f"CAST(epoch_us({name}) AS VARCHAR)"
        case pl.Date():
            return f"CAST({name} - DATE '1970-01-01' AS VARCHAR)"
        case pl.Binary():
            return f"lower(hex({name}))"
        case pl.Float32() | pl.Float64():
            double = f"CAST({name} AS DOUBLE)"
            bits = f"CAST(CAST(CAST({double} AS BIT) AS BIGINT) AS VARCHAR)"
            special = f"WHEN isnan({double}) THEN 'NaN' WHEN {double} = 0 THEN '0'"
            return f"CASE {special} ELSE {bits} END"
        case pl.List(inner=pl.DataType() as inner):
            item = f"coalesce('V' || md5({_text(inner, 'item')}), 'N')"
            return f"array_to_string(list_transform({name}, lambda item: {item}), ',')"
    return f"CAST({name} AS VARCHAR)"
