"""What each sync of a table costs the source, by the planner's own estimate, and which index it
wants: what `etl-assets doctor` tells before the first load.

Nothing is read but counts; the predicates are those that a sync reads by (`keyset.py`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from etl_assets.core import settling
from etl_assets.core.cursor import FIRST, LAST, LEAST, Cursor, CursorKind
from etl_assets.core.position import Horizon, Position
from etl_assets.core.wording import count_of, has_or_have, it_or_them
from etl_assets.postgres.connection import source_errors
from etl_assets.sources.postgres.changes import ChangeReads
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.keyset import Keyset
from etl_assets.sources.snapshot import SyncCost

_SAMPLE = 10_000
# The sequences that the columns' defaults use, or that belong to them; a trigger's are not found.
_CACHES = """
    SELECT max(s.seqcache) FROM pg_sequence s JOIN pg_depend d ON
        (d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
         AND d.refobjid = to_regclass(%(relation)s) AND d.refobjsubid = ANY (
            SELECT attnum FROM pg_attribute WHERE attrelid = to_regclass(%(relation)s)
            AND attname = ANY (%(columns)s)))
        OR (d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid AND d.objid = ANY (
            SELECT f.oid FROM pg_attrdef f JOIN pg_attribute a
            ON a.attrelid = f.adrelid AND a.attnum = f.adnum
            WHERE f.adrelid = to_regclass(%(relation)s) AND a.attname = ANY (%(columns)s)))
"""
_RE_READ: Mapping[CursorKind, str] = {
    CursorKind.DAY: "the rows of today and mostly of yesterday among them",
    CursorKind.EPOCH: "the rows of the look-back among them",
    CursorKind.MOMENT: "the rows of the look-back among them",
    CursorKind.VERSION: "those of open transactions among them",
}


@dataclass
class SyncCosts(ChangeReads):
    """Estimates for a table of an open snapshot; raises SourceUnavailable or SourceError."""

    def estimate_sync(self, kind: str) -> SyncCost | None:
        """See `Snapshot.sync_cost`; `kind` is PostgreSQL's letter for the relation."""
        cursor, keyset = self.table.cursor, self.selects.keyset
        if cursor is None or keyset is None:
            return None
        with source_errors(f"estimating a sync of {self.source}"):
            where = keyset.placed(self._after(cursor), self.through(LAST))
            scans = self._scans_without_seqscan(where)
            unserved = [scan for scan in scans if not _uses_index(scan)]
            is_served = bool(scans) and not unserved
            count = sql.SQL("SELECT count(*) {} WHERE {}")
            absent = count.format(self.selects.relation, keyset.cursor.without())
            (without,) = self.connection.execute(absent).fetchone() or (0,)
            rows = self._estimate(where if is_served else sql.SQL("TRUE"))
            return SyncCost(
                cursor=f"{cursor.shown} ({_told(cursor)})",
                reads=f"an index range, about {count_of(rows, 'row')}: {_RE_READ[cursor.kind]}"
                if is_served
                else f"a scan of the whole table, about {count_of(rows, 'row')}",
                without_cursor=without,
                index=None if is_served else self._index(keyset, kind, unserved),
                notes=tuple(self._notes(cursor, without)),
            )

    def _after(self, cursor: Cursor) -> Position:
        """Where a sync would begin that has caught up."""
        (now,) = self.connection.execute("SELECT statement_timestamp()").fetchone() or (FIRST,)
        mark = None
        if cursor.kind is CursorKind.VERSION:
            seen = self.greatest_version()
            mark = Position(now, number=seen.number if seen else LEAST)
        horizon = Horizon(now, now)
        reached = settling.settled(cursor, mark, horizon, self.table.lookback)
        return settling.begin(cursor, reached, self.table.lookback) or reached

    def _scans_without_seqscan(self, where: sql.Composable) -> list[dict[str, Any]]:
        """How the table and its children are read where an index finds the rows if one can,
        whatever the size of the table makes of it now."""
        self.connection.execute("SET LOCAL enable_seqscan = off")
        plan = self._plan(where)
        self.connection.execute("SET LOCAL enable_seqscan = on")
        scans = [node for node in _nodes(plan) if _is_scan(node)]
        return [node for node in scans if not str(node.get("Alias")).startswith("parent")]

    def _estimate(self, where: sql.Composable) -> int:
        return int(self._plan(where)["Plan Rows"])

    def _plan(self, where: sql.Composable) -> dict[str, Any]:
        query = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) SELECT t.* {} WHERE {}").format(
            self.selects.relation, where
        )
        ((found,),) = self.connection.execute(query).fetchall()
        plan = json.loads(found) if isinstance(found, str) else found
        return dict(plan[0]["Plan"])

    def _index(self, keyset: Keyset, kind: str, unserved: Sequence[dict[str, Any]]) -> str | None:
        """The statement for the index that serves the sync; None where there can be none.

        An index of a table has no rows of those that inherit from it: each of them that is
        unserved wants its own, and the statements are separated by semicolons.
        """
        source = source_table(self.table)
        names_there = [self.table.column(name).in_source for name in self.table.key]
        own = [name for name in names_there if name in self.selects.own]
        if kind not in {"r", "p", "m"} or keyset.cursor.indexed is None:
            return None
        columns = ", ".join([keyset.cursor.indexed, *self._quoted(own)])
        wanted = {(source.schema, source.table): None}
        if kind == "r":  # a foreign table that inherits can have no index
            scans = [scan for scan in unserved if scan["Node Type"] != "Foreign Scan"]
            found = dict.fromkeys((scan["Schema"], scan["Relation Name"]) for scan in scans)
            wanted = found if found or unserved else wanted
        # Without a lock that stops writers; a partitioned table cannot have its index so.
        how = "" if kind == "p" else " CONCURRENTLY"
        places = (".".join(self._quoted(names)) for names in sorted(wanted))
        return "; ".join(f"CREATE INDEX{how} ON {place} ({columns})" for place in places) or None

    def _quoted(self, names: Sequence[str]) -> list[str]:
        """The names as PostgreSQL writes them, in quotes where they want some."""
        (quoted,) = self.connection.execute(
            "SELECT array_agg(quote_ident(name) ORDER BY n) "
            "FROM unnest(%s::text[]) WITH ORDINALITY AS asked(name, n)",
            [list(names)],
        ).fetchone() or ([],)
        return list(quoted or [])

    def _notes(self, cursor: Cursor, without: int) -> Iterator[str]:
        if without and cursor.kind is CursorKind.MOMENT:
            yield from self._another_column(cursor, without)
        elif without:
            yield (
                f"{count_of(without, 'row')} {has_or_have(without)} no value in {cursor.shown} "
                "that is one: every sync reads "
                f"{it_or_them(without)} again."
            )
        if cursor.kind is CursorKind.VERSION:
            yield from self._version_notes(cursor)

    def _another_column(self, cursor: Cursor, without: int) -> Iterator[str]:
        """What to write for rows that say nothing until their first update."""
        others = [
            column.name
            for column in self.table.columns
            if column.name not in cursor.columns
            and column.name not in source_table(self.table).borrowed
            and column.in_source in self.selects.own
            and self.selects.own[column.in_source].type == "timestamptz"
            and str(column.dtype) == str(self.table.column(cursor.columns[0]).dtype)
        ]
        rows, have = count_of(without, "row"), has_or_have(without)
        told = f"{rows} {have} no {cursor.shown}, so every sync reads {it_or_them(without)} again."
        if others:
            names = ", ".join(f'"{name}"' for name in (*cursor.columns, others[0]))
            told += (
                f" If {others[0]} is set when a row is made, write cursor_column=({names}): the "
                "greatest of them counts."
            )
        yield told

    def _version_notes(self, cursor: Cursor) -> Iterator[str]:
        source = source_table(self.table)
        relation = sql.Identifier(source.schema, source.table).as_string()
        columns = [self.table.column(name).in_source for name in cursor.columns]
        given = {"relation": relation, "columns": columns}
        (cache,) = self.connection.execute(_CACHES, given).fetchone() or (None,)
        if cache is not None and cache > 1 and not cursor.lookback:
            yield (
                f"The sequence of {cursor.shown} hands out {count_of(cache, 'number')} at once "
                "(CACHE), so a "
                "session can use lower ones after another has used higher ones: write "
                f"Version(..., lookback={cache} times the number of sessions), or set CACHE 1."
            )
        value = self.selects.keyset.cursor.compared if self.selects.keyset else sql.SQL("NULL")
        sample = sql.SQL(
            "SELECT count(v), count(*) FILTER (WHERE v = lowest) FROM ("
            " SELECT v, min(v) OVER () AS lowest FROM (SELECT {} AS v {} LIMIT {}) AS s) AS told"
        ).format(value, self.selects.relation, sql.Literal(_SAMPLE))
        rows, lowest = self.connection.execute(sample).fetchone() or (0, 0)
        if rows > 1 and lowest * 2 > rows:
            yield (
                f"Most rows have the same, least {cursor.shown}, as a counter has that begins anew "
                "in each row. Such a counter cannot be a cursor: a change would have a number that "
                "was passed long ago. Write cursor_column=None if it is one."
            )


def _told(cursor: Cursor) -> str:
    if cursor.kind is CursorKind.EPOCH:
        return f"{cursor.unit} since 1970"
    return {CursorKind.DAY: "a date", CursorKind.VERSION: "a version"}.get(cursor.kind, "a moment")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _is_scan(node: dict[str, Any]) -> bool:
    """Whether the node reads a relation; what a bitmap is made of belongs to its own node."""
    return str(node["Node Type"]).endswith("Scan") and node["Node Type"] != "Bitmap Index Scan"


def _uses_index(scan: dict[str, Any]) -> bool:
    return all("Index Cond" in node for node in _conditions(scan))


def _conditions(scan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes that have the conditions by which an index is searched."""
    if scan["Node Type"] != "Bitmap Heap Scan":
        return [scan]
    return [node for node in _nodes(scan) if node["Node Type"] == "Bitmap Index Scan"]
