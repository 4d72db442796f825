"""Looks for columns that tell the rows of a table apart where no index of it does: guessed from a
sample, then tried on all rows, and mended by the rows that are not told apart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from etl_assets.core.wording import count_of
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.scaffold.facts import MOMENTS, FoundKey, Relation
from etl_assets.scaffold.measure import Bounds, in_time, text_of, texts_of

LIKE_A_KEY = re.compile(r"(?i)(^|_)(id|key|uuid|guid|nr|no|num|number|code|sku)$|[a-z]id$|num$")
_NEVER = {"float4", "float8", "json", "jsonb", "xml", "bytea", "tsvector", "point", "line", "box"}
_LONG = 100
_TRIES, _AT_ONCE, _MOST_COLUMNS = 12, 500, 12
_FEW = 50
_ALIKE = (
    "some of its rows are the same in every column that could be part of a key (no float, JSON, "
    "array or long text can)"
)
_EXACT = ("id", "uuid", "guid")


@dataclass(frozen=True)
class KeySearch:
    """The search in one relation; columns are known by their places among the readable ones."""

    connection: psycopg.Connection
    relation: Relation
    columns: Sequence[SourceColumn]
    sample: pl.DataFrame
    bounds: Bounds

    def found(self) -> FoundKey | str:
        """A key that holds for all rows that are there, or for the sample where it takes too long
        to ask; else why there is none. Raises psycopg.Error."""
        possible = [n for n, column in enumerate(self.columns) if self._is_possible(n, column)]
        if self.sample.is_empty():
            names = [self.columns[n].name for n in possible]
            first = next((name for name in names if name.lower() in _EXACT), None)
            if first is None:
                return "it is empty, and none of its columns is declared to be unique"
            return FoundKey((first,), "it is empty, and this is what its name says", False)
        for place in self._singles(possible):
            texts = self.sample[str(place)]
            if texts.null_count() or texts.n_unique() < self.sample.height:
                continue
            more, is_known = self._not_told_apart([place])
            if not more.height:
                return self._key([place], is_known=is_known)
        return self._composite(possible)

    def _composite(self, possible: list[int]) -> FoundKey | str:
        """Columns that are called like keys, then moments, then others, until rows differ."""
        chosen = [n for n in possible if LIKE_A_KEY.search(self.columns[n].name)][:_MOST_COLUMNS]
        if not chosen and self.sample.height < _FEW:  # few rows differ in anything by chance
            chosen = possible[:_MOST_COLUMNS]
        moments = [n for n in possible if self._is_moment(n) and n not in chosen]
        others = [n for n in possible if n not in (*chosen, *moments)]
        seen = self.sample
        for _ in range(_TRIES):
            for pool in (moments, others):
                _extend(seen, chosen, pool)
            if not chosen or _distinct(seen, chosen) < seen.height:
                return _ALIKE
            if len(chosen) > _MOST_COLUMNS:
                return f"no {count_of(_MOST_COLUMNS, 'column')} of it tell its rows apart"
            more, is_known = self._not_told_apart(chosen)
            if not more.height:
                return self._key(sorted(chosen), is_known=is_known)
            if _distinct(more, possible) < more.height:
                return _ALIKE
            seen = pl.concat([seen, more]).unique(maintain_order=True)
        return "no few columns of it tell its rows apart"

    def _not_told_apart(self, places: Sequence[int]) -> tuple[pl.DataFrame, bool]:
        """Rows that have the same values there, and whether that is known of all rows."""
        counted = sql.Identifier("how many rows have these values")
        names = sql.SQL(", ").join(sql.Identifier(self.columns[n].name) for n in places)
        query = sql.SQL(
            "SELECT {} FROM (SELECT *, count(*) OVER (PARTITION BY {}) AS {} FROM {}) AS t "
            "WHERE {} > 1 LIMIT {}"
        ).format(
            sql.SQL(", ").join(map(text_of, self.columns)),
            names,
            counted,
            sql.Identifier(self.relation.schema, self.relation.table),
            counted,
            sql.Literal(_AT_ONCE),
        )
        try:
            with in_time(self.connection, self.bounds.seconds):
                found = self.connection.execute(query).fetchall()
        except psycopg.errors.QueryCanceled:
            return texts_of([], len(self.columns)), False
        return texts_of(found, len(self.columns)), True

    def _singles(self, possible: Sequence[int]) -> list[int]:
        """Columns that may be a key alone: the first, and those that are called like one."""
        called = [n for n in possible if LIKE_A_KEY.search(self.columns[n].name)]
        exact = [n for n in called if self.columns[n].name.lower() in _EXACT]
        first = [n for n in possible[:1] if not self._is_moment(n) and self._type(n) != "bool"]
        return list(dict.fromkeys([*exact, *first, *called]))

    def _is_possible(self, place: int, column: SourceColumn) -> bool:
        longest = self.sample[str(place)].str.len_chars().max()
        is_short = not isinstance(longest, int) or longest <= _LONG
        return column.type not in _NEVER and column.element is None and is_short

    def _is_moment(self, place: int) -> bool:
        return self._type(place) in MOMENTS

    def _type(self, place: int) -> str:
        return self.columns[place].type

    def _key(self, places: Sequence[int], *, is_known: bool) -> FoundKey:
        names = tuple(self.columns[n].name for n in places)
        if is_known:
            why = "no two rows have the same values there now, but no index of the source proves it"
        else:
            why = (
                f"no two of {self.sample.height:,} sampled rows have the same values there, and no "
                "index proves it"
            )
        return FoundKey(names, why, False)


def _extend(seen: pl.DataFrame, chosen: list[int], pool: list[int]) -> None:
    """Move columns from the pool to the chosen, as long as they tell more rows apart."""
    told_apart = _distinct(seen, chosen) if chosen else 0
    while pool and told_apart < seen.height:
        best = max(pool, key=lambda place: _distinct(seen, [*chosen, place]))
        more = _distinct(seen, [*chosen, best])
        if more == told_apart:
            return
        chosen.append(best)
        pool.remove(best)
        told_apart = more


def _distinct(frame: pl.DataFrame, places: Sequence[int]) -> int:
    return frame.select(map(str, places)).n_unique()
