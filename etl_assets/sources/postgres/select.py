"""The SELECTs that read a day of a table, generated from its contract and the source's catalogue.

Three of them, over the same rows: count (the source's own evidence), rows (what the dtypes can
hold) and rejects (what they cannot, as text). Identifiers were found in the catalogue and are
quoted by psycopg; bounds are its literals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.partitions import ONE_DAY, Window
from etl_assets.core.table import LayerTable, PostgresTable
from etl_assets.sources.postgres.catalogue import SourceColumn
from etl_assets.sources.postgres.columns import ColumnRead, read_column

_OWN, _PARENT = "t", "parent"
Catalogue = Mapping[str, SourceColumn]


@dataclass(frozen=True)
class DaySelects:
    """The plan for one table: its columns and the pieces of SQL that all days share."""

    columns: tuple[ColumnRead, ...]
    key: tuple[str, ...]
    relation: sql.Composed
    partition: str
    partition_zone: str | None

    def count(self, window: Window) -> sql.Composed:
        """(rows of the window, those among them that cannot be represented)."""
        return sql.SQL("SELECT count(*), count(*) FILTER (WHERE NOT ({})) {} WHERE {}").format(
            self._guards(), self.relation, self._within(window)
        )

    def rows(self, window: Window) -> sql.Composed:
        """The rows that the declared dtypes can hold, in the contract's columns."""
        named = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.SQL(column.select), sql.Identifier(column.name))
            for column in self.columns
        )
        return sql.SQL("SELECT {} {} WHERE {} AND {}").format(
            named, self.relation, self._within(window), self._guards()
        )

    def rejects(self, window: Window) -> sql.Composed:
        """The others: (offending column, key as text[], row as JSON text)."""
        offender = sql.SQL(" ").join(
            sql.SQL("WHEN ({}) IS FALSE THEN {}").format(
                sql.SQL(column.guard), sql.Literal(column.name)
            )
            for column in self.columns
            if column.guard
        )
        key = sql.SQL(", ").join(
            sql.SQL("({})::text").format(sql.SQL(column.select))
            for name in self.key
            for column in self.columns
            if column.name == name
        )
        names = sql.SQL(", ").join(sql.Literal(column.name) for column in self.columns)
        texts = sql.SQL(", ").join(
            sql.SQL("({})::text").format(sql.SQL(column.plain)) for column in self.columns
        )
        return sql.SQL(
            "SELECT CASE {} END, ARRAY[{}], json_object(ARRAY[{}], ARRAY[{}])::text "
            "{} WHERE {} AND NOT ({})"
        ).format(offender, key, names, texts, self.relation, self._within(window), self._guards())

    def without_day(self) -> sql.Composed:
        """How many rows belong to no day: no moment or parent, infinity, BC, after 9999."""
        return sql.SQL(
            "SELECT count(*) {} WHERE ({m} >= '0001-01-01' AND {m} < '10000-01-01') IS NOT TRUE"
        ).format(self.relation, m=sql.SQL(self.partition))

    def _guards(self) -> sql.Composable:
        guards = [
            sql.SQL("({}) IS NOT FALSE").format(sql.SQL(column.guard))
            for column in self.columns
            if column.guard
        ]
        return sql.SQL(" AND ").join(guards) if guards else sql.SQL("TRUE")

    def _within(self, window: Window) -> sql.Composed:
        moment = sql.SQL(self.partition)
        if self.partition_zone is None:
            return _between(moment, window.start, window.end)
        zoned = sql.SQL("({} AT TIME ZONE {})").format(moment, sql.Literal(self.partition_zone))
        # The bare column too, a day wider: an index on it can serve only that.
        return sql.SQL("{} AND {}").format(
            _between(zoned, window.start, window.end),
            _between(moment, window.start - ONE_DAY, window.end + ONE_DAY),
        )


def plan_selects(table: LayerTable, own: Catalogue, parent: Catalogue) -> DaySelects:
    """The plan for a raw table.

    Raises ContractMismatch for a contract column that the source does not have, with both sides.
    """
    assert table.source is not None  # noqa: S101 - only raw tables are read from a source
    source = table.source
    borrowed = source.parent.columns if source.parent else {}
    plain = [declared.name for declared in table.columns if declared.name not in borrowed]
    on = source.parent.on if source.parent else {}
    _refuse_absent(f"{source.schema}.{source.table}", own, [*plain, *on])
    if source.parent:
        wanted = [*borrowed.values(), *on.values()]
        _refuse_absent(f"{source.schema}.{source.parent.table}", parent, wanted)

    def read(declared: Column) -> ColumnRead:
        name = borrowed.get(declared.name, declared.name)
        alias, catalogue = (_PARENT, parent) if declared.name in borrowed else (_OWN, own)
        return read_column(declared, catalogue[name], sql.Identifier(alias, name).as_string())

    columns = tuple(read(declared) for declared in table.columns)
    partition = next(c for c in columns if c.name == table.partition_column)
    return DaySelects(
        # The window itself keeps the partition column within what its dtype can hold.
        columns=tuple(replace(c, guard=None) if c is partition else c for c in columns),
        key=table.key,
        relation=_relation(source),
        partition=partition.plain,
        partition_zone=table.column(table.partition_column).source_zone,
    )


def _refuse_absent(relation: str, found: Catalogue, wanted: Iterable[str]) -> None:
    absent = [name for name in wanted if name not in found]
    if absent:
        raise ContractMismatch(
            f"The source table {relation} has no column {', '.join(absent)}, which the contract "
            f"wants; it has {', '.join(found)}.",
            "Rename the contract's column in etl_assets/tables/, or add the column to the source.",
        )


def _between(moment: sql.Composable, start: datetime, end: datetime) -> sql.Composed:
    return sql.SQL("{m} >= {} AND {m} < {}").format(
        sql.Literal(start.isoformat()), sql.Literal(end.isoformat()), m=moment
    )


def _relation(source: PostgresTable) -> sql.Composed:
    own = sql.SQL("FROM {} AS t").format(sql.Identifier(source.schema, source.table))
    if source.parent is None:
        return own
    on = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(_PARENT, theirs), sql.Identifier(_OWN, ours))
        for ours, theirs in source.parent.on.items()
    )
    # A row without its parent has no day; an inner join would hide it from `without_day`.
    return sql.SQL("{} LEFT JOIN {} AS parent ON {}").format(
        own, sql.Identifier(source.schema, source.parent.table), on
    )
