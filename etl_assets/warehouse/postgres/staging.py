"""Staged parts: a table of this run that nobody else reads, filled from the spool.

It is made in the transaction that fills it, so that a run killed in mid-load leaves nothing; what
is left of one that was killed before it published is swept a day later. It costs no write-ahead
log, and a server that crashes empties it: whoever uses it looks whether its rows are there still.
Where no rows are staged there is no table.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError, WarehouseError, WarehouseUnavailable
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.postgres.connection import driver_of
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.postgres.engine import Transactions
from etl_assets.warehouse.postgres.schemas import staging_schema
from etl_assets.warehouse.postgres.types import column_type, encoded
from etl_assets.warehouse.postgres.write_paths import Target, create_staging, insert
from etl_assets.warehouse.publication import StagedDay, Staging

KEPT_FOR = timedelta(days=1)
DATE = pl.Date()

_LEFT = sa.text("""
    SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind = 'r'
      AND pg_has_role(c.relowner, 'MEMBER')
      AND obj_description(c.oid, 'pg_class') < to_char(now() - :age, :format)
""")
_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS'
_NOW = sa.text("SELECT to_char(now(), :format)")


class StagingLost(WarehouseUnavailable):
    """The staging table does not hold what was staged: a server that crashed has emptied it."""

    @classmethod
    def of(cls, table: LayerTable) -> "StagingLost":
        """The error, once it has happened twice."""
        return cls(
            f"What was staged for {table.path} is gone: the warehouse's server crashed meanwhile.",
            "Run it again; nothing was published.",
        )


def staging_name(table: LayerTable, run_id: str) -> str:
    """A name for one call: whose it is, for people, and what makes it unique."""
    told = f"{table.name}_{run_id}".encode()[:30].decode(errors="ignore")
    digest = hashlib.sha256(f"{table.path} {run_id} {uuid.uuid4()}".encode()).hexdigest()
    return f"{told}_{digest[:32]}"


def staging_target(staging: Staging) -> Target:
    """The staging table: the contract's columns, and which of `Staging.days` a row is of."""
    columns = {column.name: column_type(column) for column in staging.table.columns}
    return Target(
        staging_schema(), staging.name, {**columns, part_column(staging.table): "integer"}
    )


def part_column(table: LayerTable) -> str:
    """The name of the column that holds a row's place in `Staging.days`; no column's name."""
    name = "part"
    while any(column.name == name for column in table.columns):
        name += "_"
    return name


def fill(transactions: Transactions, staging: Staging) -> None:
    """Make the staging table and bring all staged rows there, or nothing; no rows need no table."""
    if not staging.rows:
        return

    def work(connection: sa.Connection) -> None:
        driver, target = driver_of(connection), staging_target(staging)
        # Filled again after a lost answer, or after a crash that emptied it.
        driver.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target.relation))
        create_staging(connection, target)
        made = connection.scalar(_NOW, {"format": _FORMAT})
        driver.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(target.relation, sql.Literal(made))
        )
        insert(connection, target, _frames(staging), staging.rows)
        driver.execute(sql.SQL("ANALYZE {}").format(target.relation))

    transactions.run(f"staging {staging.table.path}", work)


def staged_days(staging: Staging) -> set[date]:
    """The parts that staged rows are on."""
    return {staged.day for staged in staging.days if staged.files.rows}


def version_days(versions: LayerTable, staging: Staging) -> set[date]:
    """The days that versions of the staged rows belong to."""
    if not versions.has_days:
        return {WHOLE} if staging.rows else set()
    moment = versions.day_column
    schema = pl.Schema({moment: versions.column(moment).dtype})
    days: set[date] = set()
    for staged in staging.days:
        for frame in spooled(staged.files, schema, staging.table):
            days.update(frame[moment].drop_nulls().cast(DATE).unique())
    return days


def refuse_lost(connection: sa.Connection, staging: Staging) -> None:
    """Raise StagingLost where rows were staged and none are there: a crash empties all or nothing.

    That is so as well where the table is gone.
    """
    if not staging.rows:
        return
    relation = staging_target(staging).relation
    there = sa.text("SELECT to_regclass(:name)")
    if connection.scalar(there, {"name": relation.as_string()}) is not None:
        found = driver_of(connection).execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {})").format(relation)
        )
        if found.fetchone() == (True,):
            return
    raise StagingLost.of(staging.table)


def drop(transactions: Transactions, names: Sequence[str]) -> None:
    """Drop staging tables; one that somebody uses is left for the next sweep."""
    for name in names:

        def work(connection: sa.Connection, name: str = name) -> None:
            driver_of(connection).execute("SET LOCAL lock_timeout = '100ms'")
            driver_of(connection).execute(
                sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(staging_schema(), name))
            )

        try:
            transactions.run("dropping a staging table", work)
        except EtlError:  # what was published is published all the same
            continue


def sweep(transactions: Transactions) -> None:
    """Drop what killed runs left more than a day ago, by the server's clock."""

    def work(connection: sa.Connection) -> Sequence[str]:
        wanted = {"schema": staging_schema(), "age": KEPT_FOR, "format": _FORMAT}
        return connection.scalars(_LEFT, wanted).all()

    left = transactions.run("looking for staging tables of killed runs", work, reading=True)
    drop(transactions, left)


def _frames(staging: Staging) -> Iterator[pl.DataFrame]:
    table = staging.table
    schema = polars_schema(table.columns)
    for number, staged in enumerate(staging.days):
        part = pl.lit(number, pl.Int32).alias(part_column(table))
        for frame in spooled(staged.files, schema, table):
            _refuse_other_days(frame, table, staged)
            yield encoded(frame, table.columns).with_columns(part)


def spooled(files: SpoolFiles, schema: pl.Schema, table: LayerTable) -> Iterator[pl.DataFrame]:
    """The spool's frames in these columns; raises WarehouseError for a file that is not whole."""
    for path in files.files:
        frame: pl.DataFrame | None
        try:
            # Not memory-mapped: a file that is cut off must be an error, not a crash.
            frame = pl.read_parquet(path, columns=list(schema), glob=False, memory_map=False)
        except (OSError, pl.exceptions.PolarsError):
            frame = None
        if frame is None or frame.schema != schema:
            raise WarehouseError(
                f"The spool file {path.name} of {table.path} cannot be read, or lacks columns of "
                "the contract; nothing was published.",
                "Run the days again; if that happens twice, check the disk of ETL_HOME.",
            )
        yield frame


def _refuse_other_days(frame: pl.DataFrame, table: LayerTable, staged: StagedDay) -> None:
    """What is replaced are the days: rows of another one, or of none, would be there for good."""
    if not table.has_days:
        return
    moments = frame[table.day_column]
    window = Window.of(staged.day)
    if moments.dtype == DATE:
        inside = moments == staged.day
    else:
        zone = moments.dtype.time_zone if isinstance(moments.dtype, pl.Datetime) else None
        start, end = (m if zone else m.replace(tzinfo=None) for m in (window.start, window.end))
        inside = moments.is_between(
            pl.lit(start, dtype=moments.dtype), pl.lit(end, dtype=moments.dtype), closed="left"
        )
    outside = frame.height - int(inside.sum())
    if outside:
        raise WarehouseError(
            f"{count_of(outside, 'row')} staged for {table.path} {staged.day} "
            f"{is_or_are(outside)} of another day, or of none.",
            f"Correct {table.day_column} in the transform; nothing was published.",
        )
