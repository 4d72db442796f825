"""How the rows of one reading are cut into slices that several connections can read.

A slice is a condition. No row meets two of them and every row meets one: pages of the table, which
no row lacks (C12), or spans of the column that the day comes from. The planner is asked whether all
slices together cost about what the whole costs; where they do not, the reading is not cut. How they
are read is `parallel.py`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from psycopg import sql

from etl_assets.core.partitions import Window
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.opened import OpenTable
from etl_assets.sources.postgres.relations import Relations
from etl_assets.sources.postgres.row_days import PlainDays

LEAST_ROWS, LEAST_BYTES = 50_000, 32 << 20
"""What has fewer rows, or by the planner's estimate fewer bytes, is not worth a connection more."""

SLICE_BYTES = 8 << 20
"""The size of a slice, about: it is small enough to wait in memory for those before it."""

_LEAST_SLICES, _MOST_SLICES = 16, 4_096
_MOST_COST = 1.5
"""So much may all slices cost together, of what the whole costs."""

# Pages of the largest relation, and of all; the children of a table are read with it.
_PAGES = """
    WITH RECURSIVE tree(oid) AS (
        SELECT to_regclass(%s)::oid
        UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent AND NOT %s
    )
    SELECT max(pages)::bigint, sum(pages)::bigint FROM (
        SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
        FROM tree JOIN pg_class c ON c.oid = tree.oid WHERE c.relkind IN ('r', 'm', 'p')
    ) AS relations
"""
_OF_PAGES = {"r", "m", "p"}


@dataclass(frozen=True)
class Cutting:
    """The rows of an open table on some days, that may be cut."""

    opened: OpenTable
    relations: Relations
    window: Window

    def slices(self) -> Sequence[sql.Composable]:
        """Conditions for the rows, a slice each, in the order of the table or of the column; one,
        for all rows, where it does not pay to cut them. Raises psycopg.Error."""
        where = self.opened.selects.within(self.window)
        whole = self._plan(where)
        size = whole["Plan Rows"] * whole["Plan Width"]
        if size < LEAST_BYTES:
            return [where]
        # However many read: the order of the rows is that of the slices.
        count = min(max(size // SLICE_BYTES, _LEAST_SLICES), _MOST_SLICES)
        for cut in (self._by_pages, self._by_moments):
            slices = [sql.SQL("{} AND {}").format(where, part) for part in cut(count)]
            if slices and self._cost(slices) <= _MOST_COST * whole["Total Cost"]:
                return slices
        return [where]

    def _by_pages(self, count: int) -> list[sql.Composed]:
        """By the pages that rows are on; a row stays where it is for as long as a snapshot sees it.

        Partitions are cut alike. What is foreign has no pages, a view has none either.
        """
        source, own = source_table(self.opened.table), self.relations.own
        if own.kind not in _OF_PAGES or own.foreign:
            return []
        name = sql.Identifier(source.schema, source.table).as_string(self.opened.connection)
        found = self.opened.connection.execute(_PAGES, [name, source.only]).fetchone()
        most = found[0] if found and found[0] else 0
        step = max(-(-most // count), 1)
        starts = [
            sql.SQL("{}::tid").format(sql.Literal(f"({page},0)")) for page in range(0, most, step)
        ]
        return _spans(sql.SQL("t.ctid"), starts)

    def _by_moments(self, count: int) -> list[sql.Composed]:
        """By the moments of the day, where an index on its column finds them."""
        table, days = self.opened.table, self.opened.selects.days
        if not isinstance(days, PlainDays) or not table.has_days:
            return []
        if not isinstance(table.column(table.day_column).dtype, pl.Datetime):
            return []
        step = (self.window.end - self.window.start) / count
        starts = [
            sql.Literal((self.window.start + number * step).isoformat()) for number in range(count)
        ]
        return _spans(sql.SQL(days.column), starts)

    def _cost(self, slices: Sequence[sql.Composable]) -> float:
        """What all of them cost, by the first, the middle one and the last."""
        asked = [slices[0], slices[len(slices) // 2], slices[-1]]
        return float(sum(self._plan(where)["Total Cost"] for where in asked)) / 3 * len(slices)

    def _plan(self, where: sql.Composable) -> dict[str, Any]:
        query = sql.SQL("EXPLAIN (FORMAT JSON) {}").format(self.opened.selects.rows(where))
        found = self.opened.connection.execute(query).fetchone()
        assert found  # noqa: S101 - EXPLAIN has an answer
        plan: dict[str, Any] = found[0][0]["Plan"]
        return plan


def _spans(value: sql.Composable, starts: Sequence[sql.Composable]) -> list[sql.Composed]:
    """Half-open spans that begin at each of these; the first has no start, and the last no end."""
    if len(starts) < 2:
        return []
    return [
        sql.SQL("{} < {}").format(value, starts[1]),
        *(
            sql.SQL("{value} >= {start} AND {value} < {end}").format(
                value=value, start=start, end=end
            )
            for start, end in itertools.pairwise(starts[1:])
        ),
        sql.SQL("{} >= {}").format(value, starts[-1]),
    ]
