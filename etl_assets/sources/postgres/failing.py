"""Which row an expression of the spec fails for, found after it has stopped a reading.

PostgreSQL evaluates an expression or ends the statement, and says nothing of the row. The table is
halved, page by page, until one row is left: at most two readings of it, and only in this case.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import psycopg
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.computed import Sql
from etl_assets.core.errors import SourceError
from etl_assets.core.rows import keys_of
from etl_assets.core.table import LayerTable
from etl_assets.postgres.columns import from_text
from etl_assets.postgres.connection import driver_of
from etl_assets.postgres.copy import EXACT_TEXT
from etl_assets.postgres.sqlstates import meaning_of
from etl_assets.sources.postgres.computed import once
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.select import relation_of

_OF_A_VALUE = ("21", "22", "38", "P0")
"""Classes of SQLSTATEs that are about the values of a row, not about the statement."""

_STATE = re.compile(r"SQLSTATE (\w{5})")
_PAGES = """
    SELECT (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::int
    FROM pg_class c WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'm')
    AND (%s OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid))
"""


@contextmanager
def expression_errors(
    table: LayerTable, connect: Callable[[], sa.Connection], statement_timeout: int
) -> Iterator[None]:
    """Let an error of an expression of the spec name column and row, and say what to write.

    `connect` opens another connection to the same database; `statement_timeout` is in milliseconds.
    """
    try:
        yield
        return
    except SourceError as error:
        state = _STATE.search(error.what)
        if not (state and state[1].startswith(_OF_A_VALUE) and _expressions(table)):
            raise
        failed, code = error, state[1]
    ours: SourceError | None = None
    try:
        with connect() as connection:
            connection = connection.execution_options(postgresql_readonly=True)
            driver = driver_of(connection)
            session = f"{EXACT_TEXT}; SET LOCAL statement_timeout = {statement_timeout}"
            connection.exec_driver_sql(session)
            ours = next(filter(None, (one.told(code) for one in _searches(table, driver))), None)
    except (psycopg.Error, sa.exc.DBAPIError):  # a timeout, for one: then no row is named
        ours = _told(table, _expressions(table)[0], None, code)
    # A view, or another column than those of expressions: PostgreSQL's own words.
    raise ours or failed from None


@dataclass(frozen=True)
class _Search:
    """The search for a row that the expression of a column fails for."""

    table: LayerTable
    name: str
    connection: psycopg.Connection

    def told(self, state: str) -> SourceError | None:
        """The error with a row, None where the expression fails for none of the table."""
        source = source_table(self.table)
        relation = sql.Identifier(source.schema, source.table).as_string(self.connection)
        counted = self.connection.execute(_PAGES, [relation, source.only]).fetchone()
        if counted is None:  # rows of a view have no place
            return (
                None if self._holds(sql.SQL("TRUE")) else _told(self.table, self.name, None, state)
            )
        low, high = 0, max(counted[0], 1)
        if self._holds(_pages(low, high)):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._holds(_pages(low, middle)):
                low = middle
            else:
                high = middle
        for (place,) in self._asked(sql.SQL("t.ctid::text"), _pages(low, high)):
            there = sql.SQL("t.ctid = {}::tid").format(sql.Literal(place))
            if not self._holds(there):
                return _told(self.table, self.name, self._key(there), state)
        return None

    def _holds(self, where: sql.Composable) -> bool:
        """Whether the expression fails for none of the rows."""
        computed = source_table(self.table).computed[self.name]
        assert isinstance(computed, Sql)  # noqa: S101 - of expressions only
        try:
            with self.connection.transaction():  # a savepoint
                self._asked(sql.SQL("count({})").format(once(computed)), where)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(_OF_A_VALUE):
                raise
            return False
        return True

    def _key(self, where: sql.Composable) -> str | None:
        """The row's key as other messages show it, None for one that is not of the table itself."""
        key = [self.table.column(name) for name in self.table.key]
        if any(part.name in source_table(self.table).borrowed for part in key):
            return None
        texts = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier("t", part.in_source)) for part in key
        )
        rows = pl.DataFrame(
            self._asked(texts, where), {part.name: pl.String for part in key}, orient="row"
        )
        values = rows.select(from_text(pl.col(p.name), p.dtype, strict=False) for p in key)
        return keys_of(values, key)[0]

    def _asked(self, what: sql.Composable, where: sql.Composable) -> Sequence[tuple[str, ...]]:
        relation = relation_of(source_table(self.table))
        query = sql.SQL("SELECT {} {} WHERE {}").format(what, relation, where)
        return self.connection.execute(query).fetchall()


def _searches(table: LayerTable, connection: psycopg.Connection) -> Iterator[_Search]:
    return (_Search(table, name, connection) for name in _expressions(table))


def _expressions(table: LayerTable) -> list[str]:
    computed = source_table(table).computed
    return [name for name, given in computed.items() if isinstance(given, Sql)]


def _pages(low: int, high: int) -> sql.Composed:
    return sql.SQL("t.ctid >= {}::tid AND t.ctid < {}::tid").format(
        sql.Literal(f"({low},0)"), sql.Literal(f"({high},0)")
    )


def _told(table: LayerTable, name: str, key: str | None, state: str) -> SourceError:
    row = f"the row {key}" if key else "a row"
    becomes = (
        "It then belongs to no day, and is counted as such."
        if name == table.partition_column
        else "The contract has to allow that with nullable=True."
    )
    return SourceError(
        f"{table.path} cannot be read: the expression of its computed column {name!r} fails for "
        f"{row} (SQLSTATE {state}: {meaning_of(state)}).",
        'Write an expression that is NULL for such a row: Sql("CASE WHEN <it can be computed> '
        f'THEN <expression> END") in {table.declared_in}. {becomes}',
    )
