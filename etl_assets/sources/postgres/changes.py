"""Reads the changed rows of a table in the order of (cursor, key), in pages of a bounded size.

Each page has its end found first; what is read then are the rows up to that end, all of one
snapshot, however many of them share a moment (C1, C4).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
from psycopg import sql

from etl_assets.core.cursor import FIRST, LAST, MOST
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.position import Position, Seen
from etl_assets.core.rows import keys_of
from etl_assets.postgres.columns import from_text
from etl_assets.postgres.connection import source_errors
from etl_assets.postgres.copy import copy_frames
from etl_assets.sources.abilities import Ability, unable
from etl_assets.sources.found import Rejected, RejectedChanges
from etl_assets.sources.postgres.keyset import Keyset
from etl_assets.sources.postgres.opened import OpenTable, cannot_of
from etl_assets.sources.postgres.pages import end_of_page

Order = Sequence[sql.Composable]


@dataclass(frozen=True)
class PostgresChangeRead:
    """Rows of an open snapshot, by predicates that no row meets twice; read it within the snapshot.

    `rows` is the source's own count, with those that are rejected. `last` is the position of the
    last one (None: there was nothing to place), and `is_last` whether nothing follows it.
    """

    opened: OpenTable
    wheres: Sequence[sql.Composable]
    rows: int
    last: Position | None
    is_last: bool
    _bad: int = 0
    _order: Order = field(default=())

    @property
    def query(self) -> str:
        """The statement that reads the rows, the first one if there are several (no secrets)."""
        wheres = self.wheres[:1] or [sql.SQL("FALSE")]
        return self.opened.selects.rows(wheres[0], self._order).as_string(self.opened.connection)

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """Frames in the contract's columns and dtypes, in order; rows without a day among them."""
        opened = self.opened
        with source_errors(f"reading changes of {opened.source}"):
            for where in self.wheres if self.rows else ():
                rows = opened.selects.rows(where, self._order)
                yield from copy_frames(
                    opened.connection, rows, opened.selects.columns, of=opened.table.path
                )

    def rejected(self) -> RejectedChanges:
        """The rows that no declared dtype can hold."""
        with source_errors(f"reading changes of {self.opened.source}"):
            return read_rejects(self.opened, self.wheres if self._bad else ())


@dataclass
class ChangeReads(OpenTable):
    """The ways to read a table's changes; each raises SourceUnavailable or SourceError."""

    def changes(
        self, after: Position | None, until: datetime, most_rows: int, most_bytes: int
    ) -> PostgresChangeRead:
        """What changed after a position, None for all, until a moment and at it.

        At most so many rows, and bytes of them (`end_of_page`), but at least one row; and as many
        again that have a NULL in their key.
        """
        keyset = _keyset_of(self)
        through = upper = self.through(until)
        end = self._page(keyset.placed(after, through), keyset.order, most_rows, most_bytes)
        last = keyset.cursor.position(end.values) if end else None
        is_last = end is None or end.is_last
        if last and not is_last:
            upper = last
        if keyset.has_null_keys:
            where = keyset.placed_nulls(after, upper)
            nulls = self._page(where, keyset.order, most_rows, most_bytes)
            at = keyset.cursor.position(nulls.values) if nulls else None
            if at and nulls and not nulls.is_last:
                last = upper = at
                is_last = False
            elif at and (last is None or at.place >= last.place):
                last = at
        wheres = keyset.between(after, upper) if last else []
        return read_of(self, wheres, keyset.order, last, is_last=is_last)

    def beyond(
        self, moment: datetime, after: Position | None, most_rows: int, most_bytes: int
    ) -> PostgresChangeRead:
        """What is stamped later than `moment`, the source's clock: the year 2999 (C5)."""
        return self.changes(after or self.through(moment), LAST, most_rows, most_bytes)

    def greatest_version(self) -> Seen | None:
        """The greatest version in the snapshot, and the source's clock after it was taken (UTC)."""
        query = sql.SQL("SELECT clock_timestamp(), max({})::bigint {}").format(
            _keyset_of(self).cursor.compared, self.selects.relation
        )
        with source_errors(f"looking for changes of {self.source}"):
            at, number = self.connection.execute(query).fetchone() or (None, None)
        return None if number is None else Seen(number, at.astimezone(UTC))

    def through(self, moment: datetime) -> Position:
        """The place after all rows of a moment; after every row, where the cursor is a version."""
        cursor = self.table.cursor
        return Position(moment, number=MOST if cursor and not cursor.has_moments else None)

    def without_cursor(
        self, after_key: Sequence[str | None] | None, most_rows: int, most_bytes: int
    ) -> PostgresChangeRead:
        """Rows whose cursor is NULL or no calendar date (infinity), in the key's order (C5).

        The moment of their position means nothing.
        """
        keyset, order = _keyset_of(self), _keyset_of(self).key_order
        wheres: list[sql.Composed] = []
        end = None
        amid_nulls = after_key is not None and None in after_key
        if not amid_nulls:
            end = self._page(keyset.unplaced(after_key), order, most_rows, most_bytes)
            wheres += [keyset.unplaced(after_key, end.values)] if end else []
        if keyset.has_null_keys and (end is None or end.is_last):
            after = after_key if amid_nulls else None
            nulls = self._page(keyset.unplaced_nulls(after), order, most_rows, most_bytes)
            wheres += [keyset.unplaced_nulls(after, nulls.values)] if nulls else []
            end = nulls or end
        last = Position(FIRST, end.values) if end else None
        return read_of(self, wheres, order, last, is_last=end is None or end.is_last)

    def _page(
        self, where: sql.Composable, order: Order, most_rows: int, most_bytes: int
    ) -> "_End | None":
        """Where the page ends, None if nothing is there."""
        page = end_of_page(self.selects, where, order, most_rows, most_bytes)
        with source_errors(f"looking for changes of {self.source}"):
            found = self.connection.execute(page).fetchone()
        return None if found is None else _End(tuple(found[0]), found[1])


@dataclass(frozen=True)
class _End:
    """The texts of what the last row of a page is ordered by, and whether no row follows it."""

    values: tuple[str | None, ...]
    is_last: bool


def read_of(
    opened: OpenTable,
    wheres: Sequence[sql.Composable],
    order: Order,
    last: Position | None,
    *,
    is_last: bool,
) -> PostgresChangeRead:
    """The rows of the predicates, counted; raises SourceUnavailable or SourceError."""
    with source_errors(f"counting changes of {opened.source}"):
        counts = [
            opened.connection.execute(opened.selects.count(where)).fetchone() or (0, 0)
            for where in wheres
        ]
    rows, bad = (sum(count[n] for count in counts) for n in (0, 1))
    return PostgresChangeRead(opened, wheres, rows, last, is_last, bad, order)


def read_rejects(opened: OpenTable, wheres: Sequence[sql.Composable]) -> RejectedChanges:
    """The rows of the predicates that no declared dtype can hold; raises psycopg.Error."""
    rows = [
        row for where in wheres for row in opened.connection.execute(opened.selects.rejects(where))
    ]
    key = [opened.table.column(name) for name in opened.table.key]
    texts = pl.DataFrame(
        [values for _, values, _, _ in rows],
        schema=dict.fromkeys(opened.table.key, pl.String),
        orient="row",
    )
    keys = texts.select(from_text(pl.col(part.name), part.dtype, strict=False) for part in key)
    # As the audit shows keys, so that the row is found again; a key that fits no dtype, as it is.
    shown = [
        as_text if None in values else as_value
        for as_text, as_value, values in zip(
            keys_of(texts, key), keys_of(keys, key), keys.iter_rows(), strict=True
        )
    ]
    rejected = Rejected(
        rules=[rule for rule, _, _, _ in rows],
        keys=shown,
        positions=[f"{opened.source} {row}" for row in shown],
        payloads=[payload for _, _, payload, _ in rows],
    )
    return RejectedChanges(keys, rejected, [day for _, _, _, day in rows])


def _keyset_of(opened: OpenTable) -> Keyset:
    cannot = cannot_of(opened.table)
    if Ability.CHANGES in cannot:
        raise unable(opened.table, Ability.CHANGES, cannot)
    keyset = opened.selects.keyset
    if keyset is None:
        raise ContractMismatch(
            f"The cursor of {opened.table.path} has a type in the source that does not tell in "
            "what order rows changed.",
            f"Name a column of timestamps, dates or whole numbers as cursor_column in "
            f"{opened.table.declared_in}, or None there to load the table whole or by days.",
        )
    return keyset
