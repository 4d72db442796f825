"""The order that changes are read in, (cursor, key), as predicates that an index can serve.

A range is said twice: as a comparison of whole rows, which is exact, and of the cursor alone, from
which PostgreSQL estimates how much there is and finds it where only the cursor has an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.position import Position
from etl_assets.sources.postgres.keys import Found, KeyPart

Order = Sequence[sql.Composable]
Values = Sequence[str | None]
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Keyset:
    """(cursor, key) of one table; `zone` is that of a naive cursor, None where it needs none.

    Rows that have a NULL in their key come after the others of their moment, and have predicates of
    their own: what is compared with a NULL is neither true nor false, and the comparison of
    whole rows, by which an index on (cursor, key) finds a place at once, is only for the others.
    """

    cursor: str
    zone: str | None
    key: tuple[KeyPart, ...]

    @property
    def moment(self) -> sql.Composable:
        """The cursor as it is compared: an instant, or a naive column that stands for UTC."""
        if self.zone is None:
            return sql.SQL(self.cursor)
        return sql.SQL("({} AT TIME ZONE {})").format(sql.SQL(self.cursor), sql.Literal(self.zone))

    @property
    def has_null_keys(self) -> bool:
        """Whether there can be a NULL in the key."""
        return any(part.nullable for part in self.key)

    @property
    def order(self) -> tuple[sql.Composable, ...]:
        """What rows with a usable cursor are ordered by."""
        return (self.moment, *self.key_order)

    @property
    def key_order(self) -> tuple[sql.Composable, ...]:
        """What rows without one are ordered by."""
        return tuple(sql.SQL(part.plain) for part in self.key)

    def between(self, after: Position | None, through: Position) -> list[sql.Composed]:
        """The rows after one position (None: from the first), up to another and with it."""
        rows = self.placed(after, through)
        if through.key and not _has_null(through.key):
            end = _compare("<=", self.order, _values(through))
            rows = sql.SQL("{} AND {}").format(rows, end)
        return [rows, self.placed_nulls(after, through)] if self.has_null_keys else [rows]

    def placed(self, after: Position | None, through: Position) -> sql.Composed:
        """The rows without NULL after a position, through the whole last moment of another."""
        if after is not None and _has_null(after.key):
            after = Position(after.moment)
        beyond = _compare(">", self.order, _values(after)) if after else sql.SQL("TRUE")
        return sql.SQL("{} AND {} AND {}").format(
            self._moments(after, through), beyond, self._nothing_null()
        )

    def placed_nulls(self, after: Position | None, through: Position) -> sql.Composed:
        """The rows with a NULL in their key after a position, up to another and with it."""
        tests = [self._moments(after, through), sql.SQL("NOT ({})").format(self._nothing_null())]
        if after is not None and _has_null(after.key):
            tests.append(_is_after(self.order, _values(after)))
        if _has_null(through.key):
            tests.append(sql.SQL("NOT {}").format(_is_after(self.order, _values(through))))
        elif through.key:  # those of its own moment are still to come
            tests.append(sql.SQL("{} < {}").format(self.moment, _literal(through.moment)))
        return sql.SQL(" AND ").join(tests)

    def without_moment(self) -> sql.Composed:
        """Rows that no position can name: without cursor, or infinity, BC, after 9999."""
        # With both ends, or a table without statistics seems to have many of them.
        return sql.SQL(
            "({c} IS NULL OR ({c} >= '-infinity' AND {c} < {}) OR ({c} > {} AND {c} <= 'infinity'))"
        ).format(*self._ends(), c=sql.SQL(self.cursor))

    def unplaced(self, after: Values | None, through: Values | None = None) -> sql.Composed:
        """The rows without a moment and without NULL, after a key (None: all) and up to another."""
        tests = [self.without_moment(), self._nothing_null()]
        if after:
            tests.append(_compare(">", self.key_order, after))
        if through:
            tests.append(_compare("<=", self.key_order, through))
        return sql.SQL(" AND ").join(tests)

    def unplaced_nulls(self, after: Values | None, through: Values | None = None) -> sql.Composed:
        """The same of the rows with a NULL in their key; they come after all others."""
        tests = [self.without_moment(), sql.SQL("NOT ({})").format(self._nothing_null())]
        if after:
            tests.append(_is_after(self.key_order, after))
        if through:
            tests.append(sql.SQL("NOT {}").format(_is_after(self.key_order, through)))
        return sql.SQL(" AND ").join(tests)

    def instant(self) -> sql.Composed:
        """The cursor as a timestamptz, NULL where no position can name it."""
        return sql.SQL("CASE WHEN NOT {} THEN {} END").format(
            self.without_moment(), sql.SQL("{}::timestamptz").format(self.moment)
        )

    def _nothing_null(self) -> sql.Composed:
        tests = [sql.SQL(f"{part.plain} IS NOT NULL") for part in self.key if part.nullable]
        return sql.SQL(" AND ").join([sql.SQL("TRUE"), *tests])

    def _moments(self, after: Position | None, through: Position) -> sql.Composed:
        until = sql.SQL("{} <= {}").format(self.moment, _literal(through.moment))
        first, last = self._ends()
        bare = sql.SQL("{c} >= {} AND {c} <= {}")
        if after is None:
            return sql.SQL("{} AND {}").format(
                until, bare.format(first, last, c=sql.SQL(self.cursor))
            )
        sign = sql.SQL(">=" if after.key else ">")
        since = sql.SQL("{} {} {}").format(self.moment, sign, _literal(after.moment))
        if self.zone is None:
            return sql.SQL("{} AND {}").format(since, until)
        # The bare column too, a day wider: an index on it can serve only that.
        wider = bare.format(
            _literal(max(after.moment, FIRST + 2 * ONE_DAY) - ONE_DAY),
            _literal(min(through.moment, LAST - 2 * ONE_DAY) + ONE_DAY),
            c=sql.SQL(self.cursor),
        )
        return sql.SQL("{} AND {} AND {}").format(since, until, wider)

    def _ends(self) -> tuple[sql.Literal, sql.Literal]:
        """What the column has between is a calendar date, in UTC too."""
        spare = ONE_DAY if self.zone else 0 * ONE_DAY
        return _literal(FIRST + spare), _literal(LAST - spare)


def keyset_of(cursor: Column | None, found: Found, key: tuple[KeyPart, ...]) -> Keyset | None:
    """The keyset of a table whose columns are `found`: as declared, in the catalogue, and quoted.

    None where the table has no cursor, or one that is no timestamp.
    """
    if cursor is None or found[cursor.name][1].type not in {"timestamptz", "timestamp"}:
        return None
    _, source, plain = found[cursor.name]
    zone = cursor.source_zone if source.type == "timestamp" else None
    return Keyset(cursor=plain, zone=zone, key=key)


def _compare(sign: str, order: Order, values: Values) -> sql.Composed:
    """A comparison of whole rows; fewer values compare only so many of the first columns."""
    return sql.SQL("({}) {} ({})").format(
        sql.SQL(", ").join(order[: len(values)]),
        sql.SQL(sign),
        sql.SQL(", ").join(map(sql.Literal, values)),
    )


def _is_after(order: Order, values: Values) -> sql.Composed:
    """That a row is after these values, where NULL is after all others; never NULL itself."""
    if not values:
        return sql.SQL("FALSE").format()
    first, rest = order[0], _is_after(order[1:], values[1:])
    if values[0] is None:
        return sql.SQL("({} IS NULL AND {})").format(first, rest)
    return sql.SQL("({e} IS NULL OR {e} > {v} OR ({e} = {v} AND {rest}))").format(
        e=first, v=sql.Literal(values[0]), rest=rest
    )


def _has_null(key: Values) -> bool:
    return None in key


def _values(place: Position) -> Values:
    return [place.moment.isoformat(), *place.key]


def _literal(moment: datetime) -> sql.Literal:
    return sql.Literal(moment.isoformat())
