"""Reads a source table by days or by changes: one read-only snapshot, a lock against rewrites.

The lock and the snapshot are taken in this order (C9): a TRUNCATE or a rewriting ALTER cannot come
between them, and while the transaction lasts no column can change its name or type (C10). A
connection that breaks is replaced, and the day that it broke is read again from its start (C14).
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.drift import SourceColumns
from etl_assets.core.partitions import Window
from etl_assets.core.position import Horizon, Seen
from etl_assets.core.source_specs import DEFAULT_CONNECTION, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.postgres.catalogue import column_fingerprint, read_columns
from etl_assets.postgres.connection import PoolSettings, driver_of, source_errors
from etl_assets.postgres.copy import EXACT_TEXT, copy_frames
from etl_assets.postgres.interruptible import InterruptibleConnection
from etl_assets.postgres.rights import missing_to_read
from etl_assets.postgres.server_facts import ServerFacts, read_facts
from etl_assets.sources.found import Rejected
from etl_assets.sources.postgres.changes import read_rejects
from etl_assets.sources.postgres.computed import names_in, read_types
from etl_assets.sources.postgres.day_index import DayCosts
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.digests import DigestReads
from etl_assets.sources.postgres.failing import expression_errors
from etl_assets.sources.postgres.horizon import HorizonPolicy, read_horizon
from etl_assets.sources.postgres.key_reads import KeyReads
from etl_assets.sources.postgres.large_rows import may_be_large
from etl_assets.sources.postgres.parallel import Workers, read_slices, usual_workers
from etl_assets.sources.postgres.relations import Relations, hold, hold_late, read_relations
from etl_assets.sources.postgres.row_security import (
    hidden_by_policies,
    refuse_hidden_rows,
    row_security_errors,
)
from etl_assets.sources.postgres.select import plan_selects, relation_of
from etl_assets.sources.postgres.slices import LEAST_ROWS, Cutting
from etl_assets.sources.postgres.sync_cost import SyncCosts
from etl_assets.sources.reads import DayEvidence, DayRead
from etl_assets.sources.snapshot import Snapshot, SyncCost

_LONGEST_MARGIN = timedelta(milliseconds=50)
_SESSION = EXACT_TEXT + "; SET LOCAL statement_timeout = {}; SET LOCAL row_security = {}"


class PostgresReader:
    """Reads layer tables from the source database; cheap to make, connects when used.

    A large reading is shared by `workers` connections (`parallel.py`), None for as many as usual.
    """

    def __init__(
        self, engine: sa.Engine, pool: PoolSettings | None = None, workers: int | None = None
    ) -> None:
        self._engine = engine
        pool = pool or PoolSettings()
        self._statement_timeout = pool.statement_timeout * 1000
        most = min(workers or usual_workers(), pool.size + pool.max_overflow)
        self._workers = Workers(engine.connect, most)

    def connect(self) -> None:
        """Connect once, to see that it is possible; raises SourceUnavailable or SourceError."""
        with source_errors("connecting to the source"), self._engine.connect():
            return

    def facts(self) -> ServerFacts:
        """What the server says of itself and of our role; raises SourceUnavailable, SourceError."""
        with (
            source_errors("connecting to the source"),
            self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
            source_errors("asking the source how it is"),
        ):
            return read_facts(driver_of(connection))

    def missing_rights(self, table: LayerTable) -> list[str]:
        """The GRANT statements that the role lacks to read a table, and its parent.

        Raises SourceUnavailable or SourceError.
        """
        source = source_table(table)
        names = [source.table, *([source.parent.table] if source.parent else [])]
        with (
            source_errors(f"looking at rights on {source.schema}.{source.table}"),
            self._engine.connect() as connection,
        ):
            return missing_to_read(driver_of(connection), source.schema, names)

    @contextmanager
    def snapshot(self, table: LayerTable) -> Iterator["TableSnapshot"]:
        """One moment of a table; raises SourceUnavailable, SourceError or ContractMismatch."""
        source = source_table(table)
        qualified = f"{source.schema}.{source.table}"
        with (
            expression_errors(table, self._engine.connect, self._statement_timeout),
            row_security_errors(table),
            source_errors(f"reading {qualified}"),
            self._engine.connect() as connection,
        ):
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            driver = driver_of(connection)
            # What would hide rows is refused by PostgreSQL, unless the spec accepts it (R3).
            row_security = "on" if source.row_security else "off"
            session = _SESSION.format(self._statement_timeout, row_security)
            connection.exec_driver_sql(session)
            hold(driver, table)  # before the first query: the snapshot is younger than the lock
            # The query that takes the snapshot; its start is the last moment before it.
            moment = connection.scalar(sa.text("SELECT statement_timestamp()"))
            relations = read_relations(driver, table)
            hold_late(driver, relations)
            refuse_hidden_rows(driver, table)
            related = [source.table, *([source.parent.table] if source.parent else [])]
            catalogues = [read_columns(connection, source.schema, name) for name in related]
            own, parent = catalogues[0], catalogues[1] if source.parent else {}
            expressions = read_types(driver, table, relation_of(source))
            is_large = may_be_large(driver, source.schema, related)
            selects = plan_selects(table, own, parent, expressions, may_be_large=is_large)
            fingerprint = "".join(map(column_fingerprint, catalogues, _read_of(table)))
            try:
                yield TableSnapshot(
                    table=table,
                    source=label_of(source),
                    connection=driver,
                    selects=selects,
                    as_of=moment,
                    columns=tuple((c.name, c.shown) for c in own.values()),
                    digest_of_columns=fingerprint,
                    relations=relations,
                    session=session,
                    workers=self._workers,
                )
            finally:
                grown = isinstance(driver, InterruptibleConnection) and driver.has_grown
                if grown:
                    driver.close()
                if driver.closed:  # so that nobody tries to roll it back
                    connection.invalidate()

    def greatest_version(self, table: LayerTable, policy: HorizonPolicy) -> Seen | None:
        """The greatest version of a table and the source's clock then, None for an empty table.

        It waits for the margin that the horizon stays behind the clock, if that is short: where no
        transaction is open, a horizon that is asked for next is not before this moment. Raises
        SourceUnavailable, SourceError or ContractMismatch.
        """
        with self.snapshot(table) as snapshot:
            seen = snapshot.greatest_version()
        time.sleep(min(policy.margin, _LONGEST_MARGIN).total_seconds())
        return seen

    def horizon(
        self, policy: HorizonPolicy, watermark: datetime | None, table: LayerTable | None = None
    ) -> Horizon:
        """How far changes may be read; ask before the snapshot that they are read from is taken.

        Of a `table` that is no table of this database that is less than of the database.

        Raises SourceUnavailable or SourceError.
        """
        with (
            source_errors("looking for open transactions"),
            self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            driver = driver_of(connection)
            try:
                horizon = read_horizon(driver, policy, watermark)
                if table is None:
                    return horizon
                return read_relations(driver, table).bound(horizon, policy.lag)
            finally:
                if driver.closed:
                    connection.invalidate()


def _read_of(table: LayerTable) -> tuple[set[str], set[str]]:
    """Names of the columns that the contract needs: of the table itself, and of its parent."""
    parent = source_table(table).parent
    words = names_in(table)
    names = set(table.source_columns.values()) | words
    if parent is None:
        return names, set()
    return names | parent.on.keys(), {
        *parent.columns.values(),
        *parent.on.values(),
        *words,
    }


def label_of(source: PostgresTable) -> str:
    """The value of `_source` in a table's rows: `postgres:public.orders`, and with the connection's
    name `postgres[billing]:public.orders` where that is not the default one."""
    named = "" if source.connection == DEFAULT_CONNECTION else f"[{source.connection}]"
    return f"postgres{named}:{source.schema}.{source.table}"


@dataclass
class TableSnapshot(SyncCosts, KeyReads, DigestReads, Snapshot):
    """A table at one moment, readable in every way that a `Snapshot` may be."""

    as_of: datetime
    columns: SourceColumns
    digest_of_columns: str
    relations: Relations
    session: str
    workers: Workers

    @property
    def fingerprint(self) -> str:
        """Changes with every column that is read, the parent's among them."""
        return self.digest_of_columns

    @cached_property
    def repeated(self) -> pl.DataFrame:
        """The repeated keys of the days that the platform has, asked for once a snapshot."""
        return self.repeated_keys(self.scope)

    def day(self, day: date) -> "PostgresDay":
        """One day of the table, not read yet."""
        return PostgresDay(self, day)

    def extent(self) -> Mapping[str, object]:
        """How many rows there are, and the greatest cursor as text."""
        with source_errors(f"counting {self.source}"):
            found = self.connection.execute(self.selects.extent()).fetchone() or (None, None)
        rows, newest = found
        return {"rows": rows, **({"newest_cursor": newest} if newest else {})}

    def hidden(self) -> Sequence[str]:
        """What hides rows of the table from our role; empty unless the spec accepts that."""
        with source_errors(f"looking for policies of {self.table.path}"):
            return [one.told() for one in hidden_by_policies(self.connection, self.table)]

    def sync_cost(self) -> SyncCost | None:
        """What each sync costs, by the planner's estimate."""
        return self.estimate_sync(self.relations.own.kind)

    def limits(self) -> Sequence[str]:
        """What PostgreSQL cannot guarantee for this kind of relation."""
        return self.relations.limits()

    def day_costs(self) -> Sequence[str]:
        """What is read whole for each day, and the index that it wants."""
        with source_errors(f"planning a day of {self.table.path}"):
            costs = DayCosts(self.table, self.connection, self.selects)
            return costs.told(self.as_of.date())

    def without_day(self) -> int:
        """How many rows no day will ever hold: their moment is missing or not a calendar date."""
        if not self.table.has_days:
            return 0
        with source_errors(f"counting rows without a day in {self.table.path}"):
            counted = self.connection.execute(self.selects.without_day()).fetchone()
        return counted[0] if counted else 0


@dataclass
class PostgresDay(DayRead):
    """A `DayRead` of one day of a snapshot."""

    snapshot: TableSnapshot
    day: date
    _rows: int = field(default=0, init=False)

    @property
    def source(self) -> str:
        """The value of `_source` in its rows."""
        return self.snapshot.source

    def evidence(self) -> DayEvidence:
        """Counts what there is, and fetches what no dtype can hold."""
        snapshot, selects = self.snapshot, self.snapshot.selects
        where = selects.within(Window.of(self.day))
        with source_errors(f"counting {self.source}"):
            counted = snapshot.connection.execute(selects.count(where)).fetchone()
            self._rows, bad = counted or (0, 0)
            rejected = read_rejects(snapshot, [where]).rows if bad else Rejected()
            query = selects.rows(where).as_string(snapshot.connection)
        return DayEvidence(
            as_of=snapshot.as_of,
            row_count=self._rows,
            query=query,
            rejected=rejected,
            drift=snapshot.drift,
            repeated=snapshot.repeated,
            limits=snapshot.limits(),
        )

    def still_there(self, keys: pl.DataFrame) -> pl.DataFrame:
        """See `DayRead.still_there`: rows that no dtype can hold and rows of no day count too."""
        read = self.snapshot.by_keys(keys)
        found = [frame.select(keys.columns) for frame in read.batches()]
        unreadable = read.rejected().keys.select(keys.columns)
        return pl.concat([keys.clear(), *found, unreadable]).unique()

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """Frames in the contract's columns and dtypes; several connections read what is large."""
        snapshot, selects = self.snapshot, self.snapshot.selects
        window = Window.of(self.day)
        with source_errors(f"reading {self.source}"):
            if self._rows >= LEAST_ROWS and snapshot.workers.most > 1:
                wheres = Cutting(snapshot, snapshot.relations, window).slices()
                if len(wheres) > 1:
                    yield from self._sliced(list(map(selects.rows, wheres)))
                    return
            rows = selects.rows(selects.within(window))
            of = snapshot.table.path
            yield from copy_frames(snapshot.connection, rows, selects.columns, of=of)

    def _sliced(self, slices: Sequence[sql.Composed]) -> Generator[pl.DataFrame, None, None]:
        snapshot = self.snapshot
        first = snapshot.connection
        joining = snapshot.workers.joining(first, snapshot.session, snapshot.table)
        columns, of = snapshot.selects.columns, snapshot.table.path
        yield from read_slices(first, joining, slices, columns, of=of)
