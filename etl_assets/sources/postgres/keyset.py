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

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Keyset:
    """(cursor, key) of one table; `zone` is that of a naive cursor, None where it needs none.

    A comparison with a NULL in the key is neither true nor false, so rows that have one are asked
    for on their own: they come after all others of their moment. The contract sets them aside.
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
        exact = sql.SQL("{} AND {}").format(
            self.placed(after, through), _compare("<=", self.order, _values(through))
        )
        if not self.has_null_keys:
            return [exact]
        # At a row's position those of its moment are still to come.
        short = _compare("<", self.order, _values(Position(through.moment)))
        nulls = sql.SQL("{} AND {} AND NOT ({})").format(
            self._moments(after, through),
            short if through.key else sql.SQL("TRUE"),
            self._nothing_null(),
        )
        return [exact, nulls]

    def placed(self, after: Position | None, through: Position) -> sql.Composed:
        """Those among them that have a place in the order, through the whole last moment."""
        return sql.SQL("{} AND {} AND {}").format(
            self._moments(after, through), self._after(after), self._nothing_null()
        )

    def without_moment(self) -> sql.Composed:
        """Rows that no position can name: without cursor, or infinity, BC, after 9999."""
        # With both ends, or a table without statistics seems to have many of them.
        return sql.SQL(
            "({c} IS NULL OR ({c} >= '-infinity' AND {c} < {}) OR ({c} > {} AND {c} <= 'infinity'))"
        ).format(*self._ends(), c=sql.SQL(self.cursor))

    def unplaced(self, after: Sequence[str] | None) -> sql.Composed:
        """The rows without a moment whose key is after one (None: all), and has no NULL."""
        bound = _compare(">", self.key_order, after) if after else sql.SQL("TRUE")
        return sql.SQL("{} AND {} AND {}").format(
            self.without_moment(), bound, self._nothing_null()
        )

    def unplaced_between(
        self, after: Sequence[str] | None, through: Sequence[str] | None
    ) -> list[sql.Composed]:
        """Those up to another key and with it; None: all that follow, with a NULL in it too."""
        if through is not None:
            last = _compare("<=", self.key_order, through)
            return [sql.SQL("{} AND {}").format(self.unplaced(after), last)]
        if not self.has_null_keys:
            return [self.unplaced(after)]
        nulls = sql.SQL("{} AND NOT ({})").format(self.without_moment(), self._nothing_null())
        return [self.unplaced(after), nulls]

    def instant(self) -> sql.Composed:
        """The cursor as a timestamptz, NULL where no position can name it."""
        return sql.SQL("CASE WHEN NOT {} THEN {} END").format(
            self.without_moment(), sql.SQL("{}::timestamptz").format(self.moment)
        )

    def _nothing_null(self) -> sql.Composed:
        tests = [sql.SQL(f"{part.plain} IS NOT NULL") for part in self.key if part.nullable]
        return sql.SQL(" AND ").join([sql.SQL("TRUE"), *tests])

    def _after(self, after: Position | None) -> sql.Composable:
        return _compare(">", self.order, _values(after)) if after else sql.SQL("TRUE")

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


def _compare(sign: str, order: Sequence[sql.Composable], values: Sequence[str]) -> sql.Composed:
    """A comparison of whole rows; fewer values compare only so many of the first columns."""
    return sql.SQL("({}) {} ({})").format(
        sql.SQL(", ").join(order[: len(values)]),
        sql.SQL(sign),
        sql.SQL(", ").join(map(sql.Literal, values)),
    )


def _values(place: Position) -> list[str]:
    return [place.moment.isoformat(), *place.key]


def _literal(moment: datetime) -> sql.Literal:
    return sql.Literal(moment.isoformat())
