"""Reads days of a source table: one read-only snapshot, a lock against rewrites, evidence first.

The lock and the snapshot are taken in this order (C9): a TRUNCATE or a rewriting ALTER cannot come
between them, and while the transaction lasts no column can change its name or type (C10). A
connection that breaks is replaced, and the day that it broke is read again from its start (C14).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import psycopg
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.partitions import Window
from etl_assets.core.reads import Evidence, Rejected
from etl_assets.core.rows import keys_of
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.catalogue import column_fingerprint, read_columns
from etl_assets.sources.postgres.copy import EXACT_TEXT, copy_frames
from etl_assets.sources.postgres.engine import PoolSettings, source_errors
from etl_assets.sources.postgres.select import DaySelects, plan_selects

_SESSION = EXACT_TEXT + "; SET LOCAL statement_timeout = {}"


class PostgresReader:
    """Reads layer tables from the source database; cheap to make, connects when used."""

    def __init__(self, engine: sa.Engine, pool: PoolSettings | None = None) -> None:
        self._engine = engine
        self._statement_timeout = (pool or PoolSettings()).statement_timeout * 1000

    @contextmanager
    def snapshot(self, table: LayerTable) -> Iterator["TableSnapshot"]:
        """One moment of a table; raises SourceUnavailable, SourceError or ContractMismatch."""
        assert table.source is not None  # noqa: S101 - only raw tables are read from a source
        source = table.source
        qualified = f"{source.schema}.{source.table}"
        with source_errors(f"reading {qualified}"), self._engine.connect() as connection:
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)  # noqa: S101 - our engine's driver
            connection.exec_driver_sql(_SESSION.format(self._statement_timeout))
            related = [source.table, *([source.parent.table] if source.parent else [])]
            for name in related:  # before the first query: the snapshot is younger than the lock
                relation = sql.Identifier(source.schema, name)
                driver.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation))
            # The query that takes the snapshot; its start is the last moment before it.
            moment = connection.scalar(sa.text("SELECT statement_timestamp()"))
            catalogues = [read_columns(connection, source.schema, name) for name in related]
            own, parent = catalogues[0], catalogues[1] if source.parent else {}
            selects = plan_selects(table, own, parent)
            fingerprint = "".join(map(column_fingerprint, catalogues, _read_of(table)))
            try:
                yield TableSnapshot(
                    table, f"postgres:{qualified}", driver, selects, moment, tuple(own), fingerprint
                )
            finally:
                if driver.closed:  # so that nobody tries to roll it back
                    connection.invalidate()


def _read_of(table: LayerTable) -> tuple[set[str], set[str]]:
    """Names of the columns that the contract needs: of the table itself, and of its parent."""
    parent = table.source.parent if table.source else None
    names = {column.name for column in table.columns}
    if parent is None:
        return names, set()
    return (names - parent.columns.keys()) | parent.on.keys(), {
        *parent.columns.values(),
        *parent.on.values(),
    }


@dataclass(frozen=True)
class TableSnapshot:
    """A table at one moment (`as_of`, on the source's clock), readable by day."""

    table: LayerTable
    source: str
    connection: psycopg.Connection
    selects: DaySelects
    as_of: datetime
    source_columns: Sequence[str]
    fingerprint: str

    def day(self, day: date) -> "PostgresDay":
        """One day of the table, not read yet."""
        return PostgresDay(self, day, self.source)

    def without_day(self) -> int:
        """How many rows no day will ever hold: their moment is missing or not a calendar date."""
        with source_errors(f"counting rows without a day in {self.table.path}"):
            counted = self.connection.execute(self.selects.without_day()).fetchone()
        return counted[0] if counted else 0


@dataclass
class PostgresDay:
    """A `DayRead` of one day of a snapshot; `source` is what `_source` says of its rows."""

    snapshot: TableSnapshot
    day: date
    source: str

    def evidence(self) -> Evidence:
        """Counts what there is, and fetches what no dtype can hold."""
        selects, window = self.snapshot.selects, Window.of(self.day)
        with source_errors(f"counting {self.source}"):
            counted = self.snapshot.connection.execute(selects.count(window)).fetchone()
            rows, bad = counted or (0, 0)
            rejected = self._rejected(window) if bad else Rejected()
            query = selects.rows(window).as_string(self.snapshot.connection)
        return Evidence(self.snapshot.as_of, rows, query, rejected)

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """Frames in the contract's columns and dtypes."""
        selects, window = self.snapshot.selects, Window.of(self.day)
        with source_errors(f"reading {self.source}"):
            yield from copy_frames(self.snapshot.connection, selects.rows(window), selects.columns)

    def _rejected(self, window: Window) -> Rejected:
        rows = self.snapshot.connection.execute(self.snapshot.selects.rejects(window)).fetchall()
        key = [self.snapshot.table.column(name) for name in self.snapshot.table.key]
        schema = dict.fromkeys(self.snapshot.table.key, pl.String)
        values = pl.DataFrame([values for _, values, _ in rows], schema=schema, orient="row")
        keys = keys_of(values, key)
        return Rejected(
            columns=[column for column, _, _ in rows],
            keys=keys,
            positions=[f"{self.source} {shown}" for shown in keys],
            payloads=[payload for _, _, payload in rows],
        )
