"""Source tables for tests: a contract made on the spot, its reader, and the road to a warehouse."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import sqlalchemy as sa

from etl_assets.core.contracts import Contract, column
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import Layer, LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.reader import PostgresReader, TableSnapshot
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.sources.reads import DayEvidence
from etl_assets.warehouse.duckdb import DuckDBWarehouse

DAY = date(2024, 5, 17)
UTC_MOMENT = pl.Datetime("us", "UTC")
NAIVE = pl.Datetime("us")
LENIENT = Thresholds(max_bad_share=1.0)


def contract_of(
    dtypes: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    key: Sequence[str] = ("id",),
) -> type[Contract]:
    """A contract with these columns, all nullable; any text will do as a column's name."""
    annotations, fields = {}, {}
    for number, (name, dtype) in enumerate(dtypes.items()):
        declared = {"nullable": True, "allow_nan": True, **(options or {}).get(name, {})}
        annotations[f"c{number}"] = dtype
        fields[f"c{number}"] = column(description="A test's.", alias=name, **declared)
    config = type("Config", (Contract.Config,), {"unique": list(key)})
    return type(
        "Made",
        (Contract,),
        {"__module__": __name__, "__annotations__": annotations, **fields, "Config": config},
    )


def layer_table(
    dtypes: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    name: str = "things",
    partition: str = "day_at",
    key: Sequence[str] = ("id",),
    parent: Parent | None = None,
    schema: str = "public",
) -> LayerTable:
    """A raw table read from `name`; its rows may all be bad."""
    return LayerTable(
        layer=Layer.RAW,
        name=name,
        contract=contract_of(dtypes, options, key),
        partition_column=partition,
        cursor_column=None,
        description="A test's.",
        domain="test",
        owners=(),
        thresholds=LENIENT,
        source=PostgresTable(name, schema, parent),
    )


def plain_table(dtypes: Mapping[str, Any] | None = None, **more: Any) -> LayerTable:
    """`things`: id, day_at and what else is given."""
    return layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, **(dtypes or {})}, **more)


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Execute the statements, each in its own transaction; the rows of the last, if it has any."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def reader_of(url: str, **pool: Any) -> Iterator[PostgresReader]:
    """A reader on an engine of its own, disposed of afterwards."""
    settings = PoolSettings(**pool)
    engine = make_engine(url, settings)
    try:
        yield PostgresReader(engine, settings)
    finally:
        engine.dispose()


def pool_of(reader: PostgresReader) -> sa.Pool:
    return reader._engine.pool


@contextmanager
def snapshot_of(url: str, table: LayerTable, **pool: Any) -> Iterator[TableSnapshot]:
    with reader_of(url, **pool) as reader, reader.snapshot(table) as snapshot:
        yield snapshot


def read_day(url: str, table: LayerTable, day: date = DAY) -> tuple[pl.DataFrame, DayEvidence]:
    """The rows of a day as the reader yields them, by key, and the day's evidence."""
    with snapshot_of(url, table) as snapshot:
        read = snapshot.day(day)
        evidence = read.evidence()
        frames = list(read.batches())
    schema = {declared.name: declared.dtype for declared in table.columns}
    for frame in frames:
        assert dict(frame.schema) == schema
    return pl.concat([pl.DataFrame(schema=schema), *frames]).sort(*table.key), evidence


def load(
    url: str, table: LayerTable, days: Sequence[date], folder: Path, published: Published
) -> list[LoadedDay]:
    """The days as `load_days` hands them over; fails with the first that could not be read."""
    with reader_of(url) as reader:
        loaded = list(
            load_days(table, PostgresSource(reader, table), days, published, folder, "run-1")
        )
    for day in loaded:
        assert isinstance(day, LoadedDay), day
    return [day for day in loaded if isinstance(day, LoadedDay)]


def carry(url: str, table: LayerTable, days: Sequence[date], folder: Path) -> DuckDBWarehouse:
    """The whole road: load, publish; the warehouse that holds the days then."""
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    loaded = load(url, table, days, folder / "spool", Published())
    publish_days(warehouse, table, loaded, "run-1")
    return warehouse


def published_rows(
    warehouse: DuckDBWarehouse, table: LayerTable, day: date, folder: Path
) -> pl.DataFrame:
    """What the warehouse holds for a day, by key."""
    extract = warehouse.read(table, [Window.of(day)], folder / f"read-{day}")
    return extract.frames[0].collect().sort(*table.key)


def make_v(url: str, type_: str, literals: Sequence[str]) -> None:
    """`things` with a column `v`, one row a literal (SQL), ids from 1."""
    rows = ", ".join(
        f"({n}, '2024-05-17 12:00Z', {text}::{type_})" for n, text in enumerate(literals, 1)
    )
    run(
        url,
        "DROP TABLE IF EXISTS things",
        f"CREATE TABLE things (id bigint, day_at timestamptz, v {type_})",
        *([f"INSERT INTO things VALUES {rows}"] if rows else []),
    )


def read_v(url: str, dtype: Any, **options: Any) -> tuple[pl.Series, Any]:
    rows, evidence = read_day(url, plain_table({"v": dtype}, options={"v": options}))
    return rows["v"], evidence


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
