"""Whether an index serves the days of a table, and which one would: what `doctor` says of it.

The planner is asked, with sequential scans forbidden: where it plans one all the same, no index can
serve. What a load reads is `select.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from etl_assets.core.computed import DayIn, Sql, words_of
from etl_assets.core.partitions import Window
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.sources.postgres.computed import once
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.relations import identifiers
from etl_assets.sources.postgres.select import TableSelects

SMALL_BYTES = 4 << 20
"""A table of so many bytes is read at once, and wants no index."""

_OWN, _PARENT = "t", "parent"
_INDEX_SCANS = ("Index Scan", "Index Only Scan")
_SIZE = """
    SELECT c.reltuples::bigint, pg_relation_size(c.oid)
    FROM pg_class c WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'm')
"""
# As EXPLAIN shows a value that was computed while planning.
_CONSTANT = re.compile(r"^\(?(NULL|true|false|-?[\d.]+|'([^']|'')*')\)?(::[\w \".\[\](),]+)?$")


@dataclass(frozen=True)
class DayCosts:
    """What a day of an open table costs."""

    table: LayerTable
    connection: psycopg.Connection
    selects: TableSelects

    def told(self, day: date) -> list[str]:
        """A sentence for each relation that is read whole for a day, with the index that it wants.

        Empty where indexes serve, where the table is small, or is a view or partitioned. Raises
        psycopg.Error.
        """
        if not self.table.has_days:
            return []
        source, found = source_table(self.table), list[str]()
        base = self._base(source)
        where = self.selects.within(Window.of(day))
        cost = self._plan(self.selects.rows(where))["Total Cost"]
        _, *parents = identifiers(source)
        relation: sql.Composable = self.selects.relation
        if base.alias == _PARENT and source.parent is not None:
            found += self._way_to_rows(source, source.parent, cost)
            if base.given is None:  # the parent by itself: no other way to it counts
                relation = sql.SQL("FROM {} AS parent").format(parents[0])
        if self._reads_all(base.alias, relation, where):
            parent = source.parent
            name = parent.table if parent and base.alias == _PARENT else source.table
            found += self._of(source.schema, name, cost, self._wanted(base))
        return found

    def _way_to_rows(self, source: PostgresTable, parent: Parent, cost: float) -> Iterator[str]:
        """What is said where the rows of a parent are not found by an index."""
        own, theirs = identifiers(source)
        one = sql.SQL(" AND ").join(
            sql.SQL("{} = (SELECT {} FROM {} LIMIT 1)").format(
                sql.Identifier(_OWN, ours), sql.Identifier(name), theirs
            )
            for ours, name in parent.on.items()
        )
        if self._reads_all(_OWN, sql.SQL("FROM {} AS t").format(own), one):
            names = ", ".join(sql.Identifier(ours).as_string() for ours in parent.on)
            wanted = f"the way from a parent to its rows: CREATE INDEX ON {{}} ({names});"
            yield from self._of(source.schema, source.table, cost, wanted)

    def _reads_all(self, alias: str, relation: sql.Composable, where: sql.Composable) -> bool:
        """Whether the relation of that alias is read whole, although that is forbidden."""
        query = sql.SQL("SELECT 1 {} WHERE {}").format(relation, where)
        scans = [
            node
            for node in _nodes(self._plan(query, without_scans=True))
            if node.get("Alias") == alias
        ]
        return any(
            scan["Node Type"] == "Seq Scan"
            or (scan["Node Type"] in _INDEX_SCANS and "Index Cond" not in scan)
            for scan in scans
        )

    def _of(self, schema: str, name: str, cost: float, wanted: str) -> Iterator[str]:
        relation = sql.Identifier(schema, name).as_string(self.connection)
        found = self.connection.execute(_SIZE, [relation]).fetchone()
        if found is None or found[1] < SMALL_BYTES:
            return
        rows = f"about {count_of(found[0], 'row')}" if found[0] >= 0 else "never analysed"
        yield (
            f"Each day reads all of {schema}.{name} ({rows}; the plan of a day costs {cost:,.0f}), "
            f"because no index serves {wanted.replace('{}', relation, 1)}"
        )

    def _wanted(self, base: "_Base") -> str:
        """What no index serves, and the index; `{}` stands for the relation."""
        given, column = base.given, base.column
        if given is None:
            return f"{column}: CREATE INDEX ON {{}} ({sql.Identifier(column).as_string()});"
        if not self._is_immutable(given):
            return (
                f"the expression of {column}, and none can: PostgreSQL does not take it for "
                "IMMUTABLE. Write it without what depends on settings: make_date(...) instead of "
                "to_date(...), of to_timestamp(...) of a text, or of a cast of text to date."
            )
        text = re.sub(rf"\b{base.alias}\.", "", given.expression.strip())
        return f"the expression of {column}: CREATE INDEX ON {{}} (({text}));"

    def _base(self, source: PostgresTable) -> "_Base":
        """What the day comes from: of a day in a zone that is its moment."""
        name = self.table.day_column
        while isinstance(given := source.computed.get(name), DayIn):
            name = given.column
        if isinstance(given, Sql):
            is_parents = source.parent is not None and _PARENT in words_of(given)
            return _Base(_PARENT if is_parents else _OWN, name, given)
        if source.parent and name in source.parent.columns:
            return _Base(_PARENT, source.parent.columns[name])
        return _Base(_OWN, self.table.source_columns.get(name, name))

    def _is_immutable(self, given: Sql) -> bool:
        """Whether an index can be built on the expression: the planner computes it of constants.

        The constants are some row's values; without a row that has one it is taken for true.
        """
        words = words_of(given)
        used = [column for name, column in self.selects.own.items() if name in words]
        if not used:
            return True
        texts = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier("t", column.name)) for column in used
        )
        known = sql.SQL("SELECT {} {} WHERE ({}) IS NOT NULL LIMIT 1").format(
            texts, self.selects.relation, once(given)
        )
        row = self.connection.execute(known).fetchone()
        if row is None:
            return True
        constants = sql.SQL(", ").join(
            sql.SQL("{}::{} AS {}").format(
                sql.Literal(text), sql.SQL(column.cast_to), sql.Identifier(column.name)
            )
            for text, column in zip(row, used, strict=True)
        )
        query = sql.SQL("SELECT {} FROM (SELECT {}) AS t").format(once(given), constants)
        (output,) = self._plan(query)["Output"]
        return bool(_CONSTANT.match(output))

    def _plan(self, query: sql.Composed, *, without_scans: bool = False) -> dict[str, Any]:
        with self.connection.transaction(force_rollback=True):  # which takes the setting back
            if without_scans:
                self.connection.execute("SET LOCAL enable_seqscan = off")
            explain = sql.SQL("EXPLAIN (VERBOSE, FORMAT JSON) {}").format(query)
            found = self.connection.execute(explain).fetchone()
        assert found  # noqa: S101 - EXPLAIN has an answer
        plan: dict[str, Any] = found[0][0]["Plan"]
        return plan


@dataclass(frozen=True)
class _Base:
    """The column that the days of a table come from: its name in the relation of that alias, or an
    expression over it."""

    alias: str
    column: str
    given: Sql | None = None


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
