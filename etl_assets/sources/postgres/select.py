"""The SELECTs that read rows of a table, generated from its contract and the source's catalogue.

Three of them, over the same rows, those of a predicate that the caller chooses: count (the source's
own evidence), rows (what the dtypes can hold) and rejects (what they cannot, as text). Identifiers
were found in the catalogue and are quoted by psycopg; bounds are its literals.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.partitions import ONE_DAY, WHOLE, Window
from etl_assets.core.policies import Drift
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.postgres import arrow_types
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead, read_column
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.keys import KeyPart, key_parts
from etl_assets.sources.postgres.keyset import Keyset, keyset_of
from etl_assets.sources.postgres.relations import identifiers

_OWN, _PARENT = "t", "parent"
Catalogue = Mapping[str, SourceColumn]


@dataclass(frozen=True)
class TableSelects:
    """The plan for one table: its columns and the pieces of SQL that all its SELECTs share.

    `own` is the table's catalogue. `partition` is the column that a row's day comes from, None for
    a table without days. `keyset` is None where the table cannot be read by its changes.
    """

    columns: tuple[ColumnRead, ...]
    own: Catalogue
    key: tuple[str, ...]
    key_parts: tuple[KeyPart, ...]
    relation: sql.Composed
    partition: str | None
    partition_zone: str | None
    keyset: Keyset | None

    def count(self, where: sql.Composable) -> sql.Composed:
        """(rows, those among them that cannot be represented)."""
        return sql.SQL("SELECT count(*), count(*) FILTER (WHERE NOT ({})) {} WHERE {}").format(
            self.guards(), self.relation, where
        )

    def rows(self, where: sql.Composable, order: Sequence[sql.Composable] = ()) -> sql.Composed:
        """The rows that the declared dtypes can hold, in the contract's columns."""
        return self.selected(self.columns, where, order)

    def selected(
        self,
        columns: Sequence[ColumnRead],
        where: sql.Composable,
        order: Sequence[sql.Composable] = (),
    ) -> sql.Composed:
        """Other columns of the same rows."""
        named = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.SQL(column.select), sql.Identifier(column.name))
            for column in columns
        )
        select = sql.SQL("SELECT {} {} WHERE {} AND {}").format(
            named, self.relation, where, self.guards()
        )
        if not order:
            return select
        return sql.SQL("{} ORDER BY {}").format(select, sql.SQL(", ").join(order))

    def rejects(self, where: sql.Composable) -> sql.Composed:
        """The others: (offending column, key as text[], row as JSON text, day)."""
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
            "SELECT CASE {} END, ARRAY[{}], json_object(ARRAY[{}], ARRAY[{}])::text, {} "
            "{} WHERE {} AND NOT ({})"
        ).format(offender, key, names, texts, self.day(), self.relation, where, self.guards())

    def without_day(self) -> sql.Composed:
        """How many rows belong to no day: no moment or parent, infinity, BC, after 9999."""
        # In this form, and not as "has no day", an index on the column finds the few rows.
        return sql.SQL(
            "SELECT count(*) {} WHERE {m} IS NULL OR {m} < '0001-01-01' OR {m} >= '10000-01-01'"
        ).format(self.relation, m=sql.SQL(self.partition or ""))

    def has_day(self) -> sql.Composed:
        """That the row belongs to a day."""
        if self.partition is None:
            return sql.SQL("TRUE").format()
        return sql.SQL("{m} >= '0001-01-01' AND {m} < '10000-01-01'").format(
            m=sql.SQL(self.partition)
        )

    def day(self) -> sql.Composed:
        """The row's UTC day, NULL where it has none; always WHOLE for a table without days."""
        if self.partition is None:
            return sql.SQL("DATE {}").format(sql.Literal(WHOLE.isoformat()))
        return sql.SQL("CASE WHEN {} THEN {}::date END").format(self.has_day(), self._moment())

    def guards(self, columns: Sequence[ColumnRead] | None = None) -> sql.Composable:
        """That the declared dtypes can hold the row, or only these columns of it."""
        broken = [
            sql.SQL("({}) IS FALSE").format(sql.SQL(column.guard))
            for column in (self.columns if columns is None else columns)
            if column.guard
        ]
        if not broken:
            return sql.SQL("TRUE")
        # A CASE, into which the planner does not look: it would take most rows for broken, where
        # it has no statistics, and a join with many for one with none.
        return sql.SQL("CASE WHEN {} THEN FALSE ELSE TRUE END").format(sql.SQL(" OR ").join(broken))

    def within(self, window: Window) -> sql.Composed:
        """The rows of these days; all rows of a table without days."""
        if self.partition is None:
            return sql.SQL("TRUE").format()
        return self._since(window.start, window.end)

    def in_scope(self, scope: Scope | None) -> sql.Composed:
        """The rows of the days of a scope, None for every day."""
        if scope is None or self.partition is None:
            return self.has_day()
        if scope.last is not None:
            return self.within(Window(scope.first, scope.last))
        return sql.SQL("{} AND {}").format(
            self.has_day(), self._since(Window.of(scope.first).start)
        )

    def _since(self, start: datetime, end: datetime | None = None) -> sql.Composed:
        moment = sql.SQL(self.partition or "")
        if self.partition_zone is None:
            return _between(moment, start, end)
        # The bare column too, a day wider: an index on it can serve only that.
        return sql.SQL("{} AND {}").format(
            _between(self._moment(), start, end),
            _between(moment, start - ONE_DAY, end + ONE_DAY if end else None),
        )

    def _moment(self) -> sql.Composable:
        moment = sql.SQL(self.partition or "")
        if self.partition_zone is None:
            return moment
        return sql.SQL("({} AT TIME ZONE {})").format(moment, sql.Literal(self.partition_zone))


def plan_selects(table: LayerTable, own: Catalogue, parent: Catalogue) -> TableSelects:
    """The plan for a raw table.

    Raises ContractMismatch for a contract column that the source does not have, with both sides.
    """
    source = source_table(table)
    borrowed = source.parent.columns if source.parent else {}
    wanted = [column for column in table.columns if column.name not in table.not_at_source]
    plain = [declared.name for declared in wanted if declared.name not in borrowed]
    on = source.parent.on if source.parent else {}
    _refuse_absent(f"{source.schema}.{source.table}", own, [*plain, *on])
    if source.parent:
        theirs = [*borrowed.values(), *on.values()]
        _refuse_absent(f"{source.schema}.{source.parent.table}", parent, theirs)

    def find(declared: Column) -> tuple[Column, SourceColumn, str]:
        if declared.name not in borrowed:
            quoted = sql.Identifier(_OWN, declared.name).as_string()
            return declared, own[declared.name], quoted
        name = borrowed[declared.name]
        found = replace(parent[name], not_null=False)  # a row may have no parent
        return declared, found, sql.Identifier(_PARENT, name).as_string()

    found = {declared.name: find(declared) for declared in wanted}
    columns = tuple(
        read_column(*found[declared.name])
        if declared.name in found
        else _ours(declared.name, table, set(own) - set(plain))
        for declared in table.columns
    )
    cursor = table.column(table.cursor_column) if table.cursor_column else None
    parts = key_parts(table.key, found, {column.name: column for column in columns})
    dated = table.partition_column
    return TableSelects(
        columns=columns,
        own=own,
        key=table.key,
        key_parts=parts,
        relation=_relation(source),
        partition=found[dated][2] if dated else None,
        partition_zone=table.column(dated).source_zone if dated else None,
        keyset=keyset_of(cursor, found, parts),
    )


def _ours(name: str, table: LayerTable, others: Collection[str]) -> ColumnRead:
    """A column that the source does not have: of what it has nothing is marked as gone, and the
    columns that the contract does not have are the text of one JSON object."""
    if name == table.kept_column:
        nothing = "NULL::timestamptz"
        return ColumnRead(name, nothing, arrow_types.MOMENT, nothing, loaded=nothing)
    if table.drift is not Drift.EVOLVE or not others:
        return ColumnRead(name, "NULL::text", arrow_types.STRING, "NULL::text")
    # A sub-query a row: json_build_object takes fifty pairs and no more.
    fields = sql.SQL(", ").join(sql.Identifier(_OWN, other) for other in sorted(others))
    select = sql.SQL("(SELECT row_to_json(o)::text FROM (SELECT {}) AS o)").format(fields)
    text = select.as_string()
    return ColumnRead(name, text, arrow_types.STRING, text)


def _refuse_absent(relation: str, found: Catalogue, wanted: Iterable[str]) -> None:
    absent = [name for name in wanted if name not in found]
    if absent:
        raise ContractMismatch(
            f"The source table {relation} has no column {', '.join(absent)}, which the contract "
            f"wants; it has {', '.join(found)}.",
            "Rename or drop the column in the table's contract, or add it to the source.",
        )


def _between(moment: sql.Composable, start: datetime, end: datetime | None) -> sql.Composed:
    since = sql.SQL("{} >= {}").format(moment, sql.Literal(start.isoformat()))
    if end is None:
        return since
    return sql.SQL("{} AND {} < {}").format(since, moment, sql.Literal(end.isoformat()))


def _relation(source: PostgresTable) -> sql.Composed:
    named = identifiers(source)
    own = sql.SQL("FROM {} AS t").format(named[0])
    if source.parent is None:
        return own
    on = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(_PARENT, theirs), sql.Identifier(_OWN, ours))
        for ours, theirs in source.parent.on.items()
    )
    # A row without its parent has no day; an inner join would hide it from `without_day`.
    return sql.SQL("{} LEFT JOIN {} AS parent ON {}").format(own, named[1], on)
