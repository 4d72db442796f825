"""Connections to the warehouse: the pool, one transaction at a time, and what its errors mean.

Nothing outlives a transaction on the server, so that PgBouncer may hand every transaction another
connection: no session settings or locks, no temporary tables, no prepared statements.
Messages are made of SQLSTATEs and names, never of a URL or of rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
import sqlalchemy as sa
import tenacity
from psycopg import sql

from etl_assets.config import WarehousePool
from etl_assets.core.errors import (
    DiskFull,
    EtlError,
    WarehouseBusy,
    WarehouseError,
    WarehouseUnavailable,
)
from etl_assets.interrupts import interrupt_behind
from etl_assets.postgres.connection import (
    OPTION,
    RETRYABLE,
    TLS,
    PoolSettings,
    bad_option,
    driver_of,
    make_engine,
    server_words,
    sqlstate_of,
)
from etl_assets.postgres.copy import EXACT_TEXT
from etl_assets.postgres.interruptible import target_of
from etl_assets.postgres.sqlstates import meaning_of
from etl_assets.warehouse.postgres.schemas import Schemas, named

_LONGEST_NAME = 63
_NOTHING_HAPPENED = "Run it again; nothing was published."
_WHAT_TO_DO = {
    TLS: "Add sslrootcert=<file of the server's CA> to WAREHOUSE_URL, or another sslmode.",
    "22P02": 'Text of a column with logical="json" is no JSON: correct it in the transform.',
    "23502": "Correct the rows, or make the column nullable in its contract.",
    "23505": "Two rows have one key: make the rows unique, or the key of the contract wider.",
    "28P01": "Check the user and the password in WAREHOUSE_URL.",
    "28000": "Check the user in WAREHOUSE_URL and the server's pg_hba.conf.",
    "3D000": "Check the database's name in WAREHOUSE_URL, or create the database.",
    "42501": "Grant the role what docs/warehouses.md lists, or let one that may run "
    "etl-assets migrate.",
    "42P01": "If it is a table of schema etl, run etl-assets migrate.",
    "42703": "If it is a table of schema etl, run etl-assets migrate. Another table gets the "
    "columns that its contract gained from the next load of a day: etl-assets backfill.",
    "54011": "PostgreSQL allows 1,600 columns in a table, fewer of wide types, and the platform "
    "adds its audit columns to those of the contract. Leave columns out of the contract.",
    "53200": "Raise max_locks_per_transaction or the server's memory: every day of a table is a "
    "partition that a lookup by key locks.",
    "53300": "Lower ETL_WAREHOUSE_POOL_SIZE and ETL_WAREHOUSE_POOL_OVERFLOW, put PgBouncer before "
    "the server, or raise max_connections.",
}
# Another attempt at once may do: a deadlock, a conflict, a connection or a server that went away.
_AGAIN = ("08", "40001", "40P01", "57P")
_LOCK_TIMEOUT, _DISK_FULL = "55P03", "53100"

T = TypeVar("T")


class Interrupted(WarehouseUnavailable):
    """The transaction broke off through no fault of its own: worth another attempt at once.

    Whether it was committed is not known if COMMIT was what broke off.
    """


def warehouse_engine(url: str, pool: WarehousePool) -> sa.Engine:
    """The engine, not connected; raises ConfigError for a malformed URL."""
    settings = PoolSettings(
        size=pool.size, max_overflow=pool.overflow, timeout=pool.timeout, recycle=pool.recycle
    )
    engine = make_engine(url, settings, setting="WAREHOUSE_URL")
    # Many rows a statement, not one each; above a hundred, psycopg parses them ever more slowly
    # (5,000 rows of ten columns: 205 ms by hundreds, 373 ms by thousands).
    engine.dialect.use_insertmanyvalues_wo_returning = True
    engine.dialect.insertmanyvalues_page_size = 100
    return engine


class Transactions:
    """Opens transactions for the operations of one warehouse, on its `schemas`.

    With `read_only` each is one that the server lets nothing change, but for those that are said to
    be `staging`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        wait_seconds: float,
        schemas: Schemas | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.engine = engine
        self.wait_seconds = wait_seconds
        self.schemas = schemas or Schemas()
        self._read_only = read_only

    def run(
        self,
        doing: str,
        work: Callable[[sa.Connection], T],
        *,
        reading: bool = False,
        staging: bool = False,
    ) -> T:
        """What `work` returns, committed; `reading` is one read-only moment, `staging` writes no
        more than keys to be looked up.

        `work` is done again, in a new transaction, after a deadlock, a conflict or a lost
        connection: it must be one that may be done twice, for the answer to COMMIT may be what
        was lost. Raises WarehouseBusy, WarehouseUnavailable, WarehouseError, DiskFull.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Interrupted),
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        reading = reading or (self._read_only and not staging)
        done: T = attempts(self._once, doing, work, reading=reading)
        return done

    def _once(self, doing: str, work: Callable[[sa.Connection], T], *, reading: bool) -> T:
        with (
            named(self.schemas),
            warehouse_errors(doing, self.wait_seconds),
            self.engine.connect() as connection,
        ):
            if reading:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                driver = driver_of(connection)
                try:
                    driver.execute(self._session(doing))
                    return work(connection)
                finally:
                    if driver.closed:  # so that nobody tries to roll it back
                        connection.invalidate()

    def _session(self, doing: str) -> sql.Composed:
        # The name shows in pg_stat_activity who works, and on whom somebody else waits.
        name = f"etl_assets {doing}".encode("ascii", "replace")[:_LONGEST_NAME].decode()
        # 0 would mean to wait without end.
        wait = max(1, round(self.wait_seconds * 1000))
        return sql.SQL("{}; SET LOCAL lock_timeout = {}; SET LOCAL application_name = {}").format(
            sql.SQL(EXACT_TEXT), sql.Literal(wait), sql.Literal(name)
        )


@contextmanager
def warehouse_errors(doing: str, wait_seconds: float) -> Iterator[None]:
    """Turn what psycopg and SQLAlchemy raise while `doing` into our errors.

    An interrupt that one of them has replaced is raised again: nothing is tried again then.
    """
    ours: BaseException
    try:
        yield
        return
    except sa.exc.TimeoutError:
        ours = WarehouseBusy(
            f"All connections of the warehouse's pool were in use for too long while {doing}.",
            "Raise ETL_WAREHOUSE_POOL_SIZE or ETL_WAREHOUSE_POOL_TIMEOUT_SECONDS, or let fewer "
            "threads work at once.",
        )
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        ours = interrupt_behind(error) or classify(
            error.orig if isinstance(error, sa.exc.DBAPIError) else error, doing, wait_seconds
        )
    try:
        raise ours
    finally:
        # The driver's error holds its connection, and that the password: not even as a context.
        ours.__context__ = None


def classify(error: BaseException | None, doing: str, wait_seconds: float) -> EtlError:
    """Our error for a driver's: by SQLSTATE where the server answered, else by what libpq says."""
    state, target = sqlstate_of(error), target_of(error)
    at = f" at {target.place}," if target else ""
    if state is None:
        return Interrupted(
            f"The warehouse{at} could not be reached, or broke off, while {doing}.",
            "Check that the server of WAREHOUSE_URL runs and can be reached from here, "
            "then run it again.",
        )
    if state == TLS:
        return WarehouseError(
            f"No trusted TLS connection to the warehouse{at} could be made while {doing}.",
            _WHAT_TO_DO[TLS],
        )
    if state == OPTION:
        return WarehouseError(
            f"WAREHOUSE_URL has a bad value for {bad_option(error)}.",
            "Correct the option after the question mark of WAREHOUSE_URL, or leave it out.",
        )
    if state == _LOCK_TIMEOUT:
        return WarehouseBusy(
            f"Somebody else held what was needed in the warehouse{at} while {doing}; waited "
            f"{wait_seconds:.0f} s.",
            "pg_stat_activity shows who: etl_assets names what it does in application_name. Run "
            "it again; ETL_WAREHOUSE_WAIT_SECONDS sets the wait.",
        )
    words = server_words(error, state)
    what = f"The warehouse{at} refused while {doing} (SQLSTATE {state}{words})."
    if state == _DISK_FULL:
        return DiskFull(what, "Free some space on the server, then run it again.")
    if state.startswith(_AGAIN):
        return Interrupted(what, _NOTHING_HAPPENED)
    if state.startswith(RETRYABLE):
        return WarehouseUnavailable(what, _WHAT_TO_DO.get(state, _NOTHING_HAPPENED))
    return WarehouseError(
        what,
        _WHAT_TO_DO.get(state, f"Nothing was published. It means that {meaning_of(state)}."),
    )
