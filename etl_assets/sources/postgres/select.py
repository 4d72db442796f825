"""The SELECTs that read rows of a table, generated from its contract and the source's catalogue.

Three of them, over the same rows, those of a predicate that the caller chooses: count (the source's
own evidence), rows (what the dtypes can hold) and rejects (what they cannot, as text). Identifiers
were found in the catalogue and are quoted by psycopg; bounds are its literals.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from psycopg import sql

from etl_assets.core.computed import DayIn
from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Drift
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.postgres import arrow_types
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead, read_column
from etl_assets.postgres.value_size import ValueSize
from etl_assets.sources.postgres import computed, large_rows
from etl_assets.sources.postgres.cursors import source_cursor
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.keys import KeyPart, key_parts
from etl_assets.sources.postgres.keyset import Keyset
from etl_assets.sources.postgres.relations import identifiers
from etl_assets.sources.postgres.row_days import NoDays, PlainDays, RowDays, ZonedDays

_OWN, _PARENT = "t", "parent"
Catalogue = Mapping[str, SourceColumn]


@dataclass(frozen=True)
class TableSelects:
    """The plan for one table: its columns and the pieces of SQL that all its SELECTs share.

    `own` is the table's catalogue. `days` say which day a row belongs to. `keyset` is None where
    the table cannot be read by its changes. `may_be_large` says that a row may be larger than is
    carried.
    """

    columns: tuple[ColumnRead, ...]
    own: Catalogue
    key: tuple[str, ...]
    key_parts: tuple[KeyPart, ...]
    relation: sql.Composed
    days: RowDays
    keyset: Keyset | None
    may_be_large: bool = False

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
        """The others: (the rule that is broken, key as text[], row as JSON text, day)."""
        too_large = self._too_large()
        offenders = [
            sql.SQL("WHEN ({}) IS FALSE THEN {}").format(
                sql.SQL(condition), sql.Literal(f"{column.name}: {rule}")
            )
            for column in self.columns
            for condition, rule in column.guards
        ]
        if too_large:
            rule = large_rows.rule_of(self.columns)
            offenders.insert(0, sql.SQL("WHEN {} THEN {}").format(too_large, rule))
        key = sql.SQL(", ").join(
            sql.SQL("({})::text").format(sql.SQL(column.select))
            for name in self.key
            for column in self.columns
            if column.name == name
        )
        names = sql.SQL(", ").join(sql.Literal(column.name) for column in self.columns)
        texts = sql.SQL(", ").join(map(large_rows.shown, self.columns))
        return sql.SQL(
            "SELECT CASE {} END, ARRAY[{}], json_object(ARRAY[{}], ARRAY[{}])::text, {} "
            "{} WHERE {} AND NOT ({})"
        ).format(
            sql.SQL(" ").join(offenders),
            key,
            names,
            texts,
            self.days.day(),
            self.relation,
            where,
            self.guards(),
        )

    def without_day(self) -> sql.Composed:
        """How many rows belong to no day: no moment or parent, infinity, BC, after 9999."""
        return sql.SQL("SELECT count(*) {} WHERE {}").format(self.relation, self.days.without_day())

    def extent(self) -> sql.Composed:
        """The number of rows and the greatest cursor as text, NULL where there is none."""
        newest = self.keyset.cursor.compared if self.keyset else sql.SQL("NULL")
        return sql.SQL("SELECT count(*), max({})::text {}").format(newest, self.relation)

    def guards(self, columns: Sequence[ColumnRead] | None = None) -> sql.Composable:
        """That the row can be handed over, or that the declared dtypes hold these columns of it."""
        broken: list[sql.Composable] = [
            sql.SQL("({}) IS FALSE").format(sql.SQL(condition))
            for column in (self.columns if columns is None else columns)
            for condition, _ in column.guards
        ]
        too_large = self._too_large() if columns is None else None
        if too_large:
            broken.insert(0, too_large)
        if not broken:
            return sql.SQL("TRUE")
        # A CASE, into which the planner does not look: it would take most rows for broken, where
        # it has no statistics, and a join with many for one with none.
        return sql.SQL("CASE WHEN {} THEN FALSE ELSE TRUE END").format(sql.SQL(" OR ").join(broken))

    @property
    def rejects_rows(self) -> bool:
        """Whether there may be rows that cannot be handed over."""
        return bool(self._too_large()) or any(column.guards for column in self.columns)

    def _too_large(self) -> sql.Composable | None:
        return large_rows.is_too_large(self.columns) if self.may_be_large else None

    def within(self, window: Window) -> sql.Composable:
        """The rows of these days; all rows of a table without days."""
        return self.days.within(window)

    def in_scope(self, scope: Scope | None) -> sql.Composable:
        """The rows of the days of a scope, None for every day."""
        return self.days.in_scope(scope)


def plan_selects(
    table: LayerTable,
    own: Catalogue,
    parent: Catalogue,
    expressions: Catalogue | None = None,
    *,
    may_be_large: bool = False,
) -> TableSelects:
    """The plan for a raw table; `expressions` are its computed columns that are some, and rows that
    `may_be_large` are measured.

    Raises ContractMismatch for a contract column that the source does not have, with both sides.
    """
    sources = _Columns(table, own, parent, expressions or {})
    sources.refuse_absent()
    days = computed.days_of(table, sources.moments)
    wanted = [column for column in table.columns if column.name not in table.not_at_source]
    found = {declared.name: sources.find(declared) for declared in wanted}
    columns = tuple(
        _read(table, *found[declared.name])
        if declared.name in found
        else _ours(declared.name, table, set(own) - {*sources.plain, *table.ignore})
        for declared in table.columns
    )
    cursor = source_cursor(table.cursor, found)
    reads = {column.name: column for column in columns}
    parts = key_parts(table.key, found, reads)
    dated = table.partition_column
    return TableSelects(
        columns=columns,
        own=own,
        key=table.key,
        key_parts=parts,
        relation=computed.with_computed(table, relation_of(source_table(table)), days),
        days=days.get(dated) or _days_of(found[dated], reads[dated]) if dated else NoDays(),
        keyset=Keyset(cursor, parts) if cursor else None,
        may_be_large=may_be_large,
    )


def _read(table: LayerTable, declared: Column, found: SourceColumn, quoted: str) -> ColumnRead:
    """See `read_column`; its error names the table as well, for a sync may be one of many."""
    try:
        return read_column(declared, found, quoted)
    except ContractMismatch as error:
        raise ContractMismatch(f"{table.path}: {error.what}", error.next_step) from None


@dataclass(frozen=True)
class _Columns:
    """Where the columns of the contract come from: the table, its parent, or what is computed."""

    table: LayerTable
    own: Catalogue
    parent: Catalogue
    expressions: Catalogue

    @property
    def plain(self) -> list[str]:
        """The names there of those that are of the table itself."""
        return list(self.table.source_columns.values())

    def find(self, declared: Column) -> tuple[Column, SourceColumn, str]:
        """The column as declared, as in the catalogue, and quoted."""
        source, name = source_table(self.table), declared.name
        if name in self.expressions:
            return declared, self.expressions[name], _quoted(computed.COMPUTED, name)
        if name in source.computed:
            return declared, computed.day_column(name), _quoted(computed.DAYS, name)
        theirs = source.parent.columns.get(name) if source.parent else None
        if theirs is None:
            return declared, self.own[declared.in_source], _quoted(_OWN, declared.in_source)
        found = replace(self.parent[theirs], not_null=False)  # a row may have no parent
        return declared, found, _quoted(_PARENT, theirs)

    def moments(self, name: str) -> tuple[computed.Found, ColumnRead]:
        """The column of that name whose moments have a day; the contract need not have it."""
        declared = next((column for column in self.table.columns if column.name == name), None)
        if declared is None:
            dtype = pl.Datetime("us", "UTC")
            declared = Column(name, dtype, nullable=True, description="Not in the contract.")
        found = self.find(declared)
        if found[1].type not in {"timestamp", "timestamptz"} or (
            found[1].type == "timestamp" and declared.source_zone is None
        ):
            return found, ColumnRead(name, found[2], arrow_types.MOMENT, found[2])
        return found, _read(self.table, *found)

    def refuse_absent(self) -> None:
        """Raises ContractMismatch for what the source does not have, or has beside what is
        computed under that name."""
        source = source_table(self.table)
        place = f"{source.schema}.{source.table}"
        on = source.parent.on if source.parent else {}
        moments = [
            self.table.source_columns.get(given.column, given.column)
            for given in source.computed.values()
            if isinstance(given, DayIn) and given.column not in source.borrowed
        ]
        _refuse_absent(place, self.own, [*self.plain, *on, *moments])
        if source.parent:
            theirs = [*source.parent.columns.values(), *on.values()]
            _refuse_absent(f"{source.schema}.{source.parent.table}", self.parent, theirs)
        twice = [name for name in source.computed if name in self.own]
        if twice:
            raise ContractMismatch(
                f"The source table {place} has a column {twice[0]!r} itself, which "
                f"{self.table.declared_in} computes.",
                "Give the computed column another name, or take it out of `computed`.",
            )


def _days_of(found: tuple[Column, SourceColumn, str], read: ColumnRead) -> RowDays:
    declared, source, plain = found
    if source.type != "timestamp" or declared.source_zone is None:
        return PlainDays(plain)
    has_nulls = declared.ambiguous == "null"
    return ZonedDays(plain, read.loaded, declared.source_zone, "UTC", has_nulls)


def _quoted(*names: str) -> str:
    return sql.Identifier(*names).as_string()


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
    select = sql.SQL("(SELECT row_to_json(o.*)::text FROM (SELECT {}) AS o)").format(fields)
    text = select.as_string()
    sizes = (f"coalesce(pg_column_size({sql.Identifier(_OWN, o).as_string()}), 0)" for o in others)
    size = ValueSize(None, f"({' + '.join(sizes)})", text)
    return ColumnRead(name, text, arrow_types.STRING, text, size=size)


def _refuse_absent(relation: str, found: Catalogue, wanted: Iterable[str]) -> None:
    absent = [name for name in wanted if name not in found]
    if absent:
        raise ContractMismatch(
            f"The source table {relation} has no column {', '.join(absent)}, which the contract "
            f"wants; it has {', '.join(found)}.",
            "Correct the column in the table's contract, write its name there as "
            'column(source_name="..."), or add it to the source.',
        )


def relation_of(source: PostgresTable) -> sql.Composed:
    """The table and its parent, from FROM on, without what is computed."""
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
