"""The order that changes are read in, (cursor, key), as predicates that an index can serve.

A range is said twice: as a comparison of whole rows, which is exact, and of the cursor alone, from
which PostgreSQL estimates how much there is and finds it where only the cursor has an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from etl_assets.core.position import Position
from etl_assets.sources.postgres.cursors import SourceCursor
from etl_assets.sources.postgres.keys import KeyPart

Order = Sequence[sql.Composable]
Values = Sequence[str | None]


@dataclass(frozen=True)
class Keyset:
    """(cursor, key) of one table.

    Rows that have a NULL in their key come after the others of their moment, and have predicates of
    their own: what is compared with a NULL is neither true nor false, and the comparison of
    whole rows, by which an index on (cursor, key) finds a place at once, is only for the others.
    """

    cursor: SourceCursor
    key: tuple[KeyPart, ...]

    @property
    def has_null_keys(self) -> bool:
        """Whether there can be a NULL in the key."""
        return any(part.nullable for part in self.key)

    @property
    def order(self) -> tuple[sql.Composable, ...]:
        """What rows with a usable cursor are ordered by."""
        return (self.cursor.compared, *self.key_order)

    @property
    def key_order(self) -> tuple[sql.Composable, ...]:
        """What rows without one are ordered by."""
        return tuple(sql.SQL(part.plain) for part in self.key)

    def between(self, after: Position | None, through: Position) -> list[sql.Composed]:
        """The rows after one position (None: from the first), up to another and with it."""
        rows = self.placed(after, through)
        if through.key and not _has_null(through.key):
            end = _compare("<=", self.order, self._values(through))
            rows = sql.SQL("{} AND {}").format(rows, end)
        return [rows, self.placed_nulls(after, through)] if self.has_null_keys else [rows]

    def placed(self, after: Position | None, through: Position) -> sql.Composed:
        """The rows without NULL after a position, through the whole last moment of another."""
        if after is not None and _has_null(after.key):
            after = replace(after, key=())
        beyond = _compare(">", self.order, self._values(after)) if after else sql.SQL("TRUE")
        return sql.SQL("{} AND {} AND {}").format(
            self._moments(after, through), beyond, self._nothing_null()
        )

    def placed_nulls(self, after: Position | None, through: Position) -> sql.Composed:
        """The rows with a NULL in their key after a position, up to another and with it."""
        tests = [self._moments(after, through), sql.SQL("NOT ({})").format(self._nothing_null())]
        if after is not None and _has_null(after.key):
            tests.append(_is_after(self.order, self._values(after)))
        if _has_null(through.key):
            tests.append(sql.SQL("NOT {}").format(_is_after(self.order, self._values(through))))
        elif through.key:  # those of its own moment are still to come
            place = self.cursor.literal(through)
            tests.append(sql.SQL("{} < {}").format(self.cursor.compared, place))
        return sql.SQL(" AND ").join(tests)

    def unplaced(self, after: Values | None, through: Values | None = None) -> sql.Composed:
        """The rows without a moment and without NULL, after a key (None: all) and up to another."""
        tests = [self.cursor.without(), self._nothing_null()]
        if after:
            tests.append(_compare(">", self.key_order, _literals(after)))
        if through:
            tests.append(_compare("<=", self.key_order, _literals(through)))
        return sql.SQL(" AND ").join(tests)

    def unplaced_nulls(self, after: Values | None, through: Values | None = None) -> sql.Composed:
        """The same of the rows with a NULL in their key; they come after all others."""
        tests = [self.cursor.without(), sql.SQL("NOT ({})").format(self._nothing_null())]
        if after:
            tests.append(_is_after(self.key_order, _literals(after)))
        if through:
            tests.append(sql.SQL("NOT {}").format(_is_after(self.key_order, _literals(through))))
        return sql.SQL(" AND ").join(tests)

    def _nothing_null(self) -> sql.Composed:
        tests = [sql.SQL(f"{part.plain} IS NOT NULL") for part in self.key if part.nullable]
        return sql.SQL(" AND ").join([sql.SQL("TRUE"), *tests])

    def _moments(self, after: Position | None, through: Position) -> sql.Composed:
        """The rows whose cursor is in a range, and has a place."""
        value = self.cursor.compared
        until = sql.SQL("{} <= {}").format(value, self.cursor.literal(through))
        if after is None:
            return sql.SQL("{} AND {}").format(until, self.cursor.in_range())
        sign = sql.SQL(">=" if after.key else ">")
        since = sql.SQL("{} {} {}").format(value, sign, self.cursor.literal(after))
        both = sql.SQL("{} AND {}").format(since, until)
        wider = self.cursor.wider(after, through)
        return both if wider is None else sql.SQL("{} AND {}").format(both, wider)

    def _values(self, place: Position) -> "Literals":
        return [self.cursor.literal(place), *_literals(place.key)]


Literals = Sequence[sql.Composable | None]
"""Values in SQL, None for NULL."""


def _compare(sign: str, order: Order, values: Literals) -> sql.Composed:
    """A comparison of whole rows; fewer values compare only so many of the first columns."""
    return sql.SQL("({}) {} ({})").format(
        sql.SQL(", ").join(order[: len(values)]),
        sql.SQL(sign),
        sql.SQL(", ").join(sql.NULL if value is None else value for value in values),
    )


def _is_after(order: Order, values: Literals) -> sql.Composed:
    """That a row is after these values, where NULL is after all others; never NULL itself."""
    if not values:
        return sql.SQL("FALSE").format()
    first, rest = order[0], _is_after(order[1:], values[1:])
    if values[0] is None:
        return sql.SQL("({} IS NULL AND {})").format(first, rest)
    return sql.SQL("({e} IS NULL OR {e} > {v} OR ({e} = {v} AND {rest}))").format(
        e=first, v=values[0], rest=rest
    )


def _has_null(key: Values) -> bool:
    return None in key


def _literals(values: Values) -> Literals:
    return [None if value is None else sql.Literal(value) for value in values]
