"""From what a database says of a table to a table of the platform. Pure.

A rule that keeps rows or days back is proposed only where the source guarantees it: NOT NULL, an
enum, a CHECK, a key. What merely was so in the rows that were there is a comment or a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import polars as pl
from psycopg import sql

from etl_assets.core.errors import SourceError
from etl_assets.core.source_specs import DEFAULT_CONNECTION
from etl_assets.scaffold.constraints import NOT_NULL, checks_of
from etl_assets.scaffold.days import (
    VERSION,
    Change,
    Day,
    change_named,
    change_of,
    day_named,
    day_of,
)
from etl_assets.scaffold.dtypes import Held, held
from etl_assets.scaffold.examples import example_of
from etl_assets.scaffold.facts import ColumnFacts, Relation, TableFacts
from etl_assets.scaffold.key_search import LIKE_A_KEY
from etl_assets.scaffold.names import Named, named_columns, table_name
from etl_assets.scaffold.personal import why_personal
from etl_assets.scaffold.proposal import ProposedColumn, ProposedTable
from etl_assets.scaffold.python_text import Call, Display, Expression, value
from etl_assets.scaffold.telling import looked_at, reasons, warnings

_MOST_LABELS, _LONGEST_LABEL = 200, 60
_ONLY_WARNED = Display(["Severity.WARN"], "{}", ['"null_ratios"'])
_FEW_VALUES, _ROWS_FOR_VALUES = 8, 200
_ROWS_FOR_NULLS, _ROWS_A_DAY_FOR_NULLS = 1_000, 1_000
_MOST_COMMENTED = 80
_UNITS = {
    **{one: one for one in ("cents", "kg", "grams", "seconds", "minutes", "hours", "bytes", "km")},
    "ms": "milliseconds",
    "us": "microseconds",
    "secs": "seconds",
    "pct": "percent",
    "percent": "percent",
    "mm": "mm",
    "cm": "cm",
}
"""What the end of a name says that a number counts."""
_NUMBERS = (pl.Int16, pl.Int32, pl.Int64, pl.Decimal)


@dataclass(frozen=True)
class Wishes:
    """What a person said: names of source columns; `day` and `cursor` may be "none"."""

    key: Sequence[str] = ()
    day: str | None = None
    cursor: str | None = None
    zone: str | None = None
    only: bool = False
    row_security: bool = False


def propose(facts: TableFacts, name: str, wishes: Wishes | None = None) -> ProposedTable:
    """The table that is proposed; raises SourceError where it cannot be one, and what to write."""
    wishes = wishes or Wishes()
    relation = facts.relation
    if facts.key is None:
        raise SourceError(
            f"{relation.shown} has no key: {facts.no_key}.",
            f"Say which columns tell its rows apart with --key a,b{_new_key(relation)}.",
        )
    names = named_columns(column.name for column in facts.columns)
    day, change = _day(facts, wishes), _change(facts, wishes)
    checks = checks_of(facts.checks)
    columns = [
        _column(column, facts, names[column.name], day, change, checks.get(column.name, {}))
        for column in facts.columns
    ]
    key = [names[column].name for column in facts.key.columns]
    spec: dict[str, Expression] = {}
    if any("max_null_ratio" in column.options for column in columns):
        severities = Call("Thresholds", [("severities", _ONLY_WARNED)])
        spec["thresholds"] = severities
    cursor, cursor_import = _cursor(change, names)
    imports = {
        "etl_assets.core.source_specs": ["PostgresTable"],
        **({"etl_assets.core.checks": ["Severity"]} if "thresholds" in spec else {}),
        **({"etl_assets.core.policies": ["Thresholds"]} if "thresholds" in spec else {}),
        **({"etl_assets.core.cursor": [cursor_import]} if cursor_import else {}),
    }
    return ProposedTable(
        name,
        relation.shown,
        f"A row of {relation.shown}",
        facts.comment or f"The rows of {relation.shown}.",
        columns,
        key,
        _source(facts, wishes),
        imports,
        names[day.column].name if day.column else None,
        cursor,
        spec,
        reasons(facts, key, day, change, names),
        warnings(columns),
        looked_at(facts),
        table_name(relation.schema)
        if relation.connection == DEFAULT_CONNECTION
        else relation.connection,
        bool(change.columns),
        [found for found in (day.first, day.last) if found and day.column],
        facts.rows,
    )


def _new_key(relation: Relation) -> str:
    """How a key is added in the source, where that can be done."""
    if relation.kind not in ("r", "p"):
        return ""
    name = sql.Identifier(relation.schema, relation.table).as_string()
    return (
        f", or add a key in the source: ALTER TABLE {name} ADD COLUMN id bigint GENERATED ALWAYS "
        "AS IDENTITY PRIMARY KEY"
    )


def _source(facts: TableFacts, wishes: Wishes) -> Expression:
    relation = facts.relation
    arguments: list[tuple[str, Expression]] = [("", value(relation.table))]
    if relation.schema != "public":
        arguments.append(("schema", value(relation.schema)))
    if relation.connection != DEFAULT_CONNECTION:
        arguments.append(("connection", value(relation.connection)))
    if wishes.only:
        arguments.append(("only", "True"))
    if wishes.row_security:
        arguments.append(("row_security", "True"))
    return Call("PostgresTable", arguments)


def _day(facts: TableFacts, wishes: Wishes) -> Day:
    if wishes.day is None:
        return day_of(facts)
    if wishes.day == "none":
        return Day(None, "this is what --day says.")
    return day_named(facts, wishes.day)


def _change(facts: TableFacts, wishes: Wishes) -> Change:
    if wishes.cursor is None:
        return change_of(facts)
    if wishes.cursor == "none":
        return Change((), "this is what --cursor says.")
    return change_named(facts, wishes.cursor)


def _cursor(change: Change, names: Mapping[str, Named]) -> tuple[Expression, str]:
    columns = [names[column].name for column in change.columns]
    if not columns:
        return "None", ""
    if change.unit == VERSION:
        return Call("Version", [("", value(columns[0]))]), "Version"
    if change.unit:
        return Call("Epoch", [("", value(columns[0])), ("unit", value(change.unit))]), "Epoch"
    return value(columns[0] if len(columns) == 1 else tuple(columns)), ""


def _column(
    column: ColumnFacts,
    facts: TableFacts,
    named: Named,
    day: Day,
    change: Change,
    checks: Mapping[str, object],
) -> ProposedColumn:
    assert facts.key is not None  # noqa: S101 - the caller asked
    is_key = column.name in facts.key.columns
    needs_moment = column.name in (day.column, *change.columns)
    form = held(column, facts, is_key=is_key, needs_moment=needs_moment)
    nullable = not (column.source.not_null or NOT_NULL in checks)
    rules = _rules(column, checks, form)
    personal = why_personal(
        column.name, column.type, facts.relation.table, facts.texts(column.name)
    )
    options: dict[str, object] = {}
    if named.name != named.attribute:
        options["alias"] = named.name
    if named.name != column.name:
        options["source_name"] = column.name
    if nullable:
        options["nullable"] = True
        options |= _null_ratio(column, facts, day)
    if personal:
        options["personal"] = True
    unit = _UNITS.get(column.name.lower().rpartition("_")[2])
    if unit and isinstance(form.dtype, _NUMBERS):
        options["unit"] = unit
    options |= form.options
    notes = [*form.notes]
    if named.why:
        notes.append(f"The source calls it {column.name!r}; here it has another name: {named.why}.")
    if personal:
        notes.append(f"Personal: {personal}.")
    elif len(facts.columns) <= _MOST_COMMENTED and not rules and not is_key:
        notes += _seen(column, facts, form)
    return ProposedColumn(
        named.name,
        named.attribute,
        form.dtype,
        nullable,
        _description(column),
        column.name if named.name != column.name else None,
        options,
        rules,
        notes,
        form.staged,
        form.how,
        example_of(form.dtype, rules, column.type),
    )


def _rules(column: ColumnFacts, checks: Mapping[str, object], form: Held) -> dict[str, object]:
    """What the source guarantees, as the contract's checks."""
    found: dict[str, object] = {}
    if column.labels and len(column.labels) <= _MOST_LABELS:
        found["isin"] = list(column.labels)
    for check, bound in checks.items():
        if check == "isin" and isinstance(bound, list):
            is_text = all(isinstance(one, str) for one in bound)
            fits = isinstance(form.dtype, pl.String) if is_text else _is_integer(form.dtype)
            if fits and column.type != "bpchar" and len(bound) <= _MOST_LABELS:
                found["isin"] = bound
        elif check != NOT_NULL and isinstance(form.dtype, _NUMBERS):
            found |= _bound(check, bound, form.dtype)
    allowed = found.get("isin")
    if isinstance(allowed, list) and any(len(str(one)) > _LONGEST_LABEL for one in allowed):
        del found["isin"]
    return found


def _bound(check: str, bound: object, dtype: pl.DataType) -> dict[str, object]:
    """A bound in the column's own kind of number."""
    if _is_integer(dtype):
        if isinstance(bound, int) or (isinstance(bound, Decimal) and bound == int(bound)):
            return {check: int(bound)}
        return {}
    return {check: Decimal(str(bound))} if isinstance(bound, int | Decimal) else {}


def _is_integer(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Int16 | pl.Int32 | pl.Int64)


def _null_ratio(column: ColumnFacts, facts: TableFacts, day: Day) -> dict[str, object]:
    """A share of NULLs that would be surprising, of tables that have enough rows in a part."""
    rows = facts.rows or 0
    days = (day.last - day.first).days + 1 if day.first and day.last else 1
    least = _ROWS_A_DAY_FOR_NULLS * days if day.column else _ROWS_FOR_NULLS
    if rows < least or len(facts.columns) > _MOST_COMMENTED:
        return {}
    if facts.is_counted:
        share = column.measured.nulls / rows
    elif column.null_share is not None:
        share = column.null_share
    else:
        return {}
    if share > 0.4:
        return {}
    most = (Decimal(str(share)) * 2 + Decimal("0.05")).quantize(Decimal("0.01"), ROUND_CEILING)
    return {"max_null_ratio": float(most)}


def _seen(column: ColumnFacts, facts: TableFacts, form: Held) -> list[str]:
    """What was so in the rows that were there, and need not be so in others."""
    texts = facts.texts(column.name).drop_nulls()
    told = column.measured
    is_named_key = bool(LIKE_A_KEY.search(column.name)) or column.references is not None
    if isinstance(form.dtype, _NUMBERS) and told.least and told.greatest and not is_named_key:
        return [f"From {told.least} to {told.greatest} now. Is that a rule? Then write ge and le."]
    if column.type in ("text", "varchar", "bpchar") and texts.len() >= _ROWS_FOR_VALUES:
        values = texts.str.strip_chars_end(" ").unique().sort().to_list()
        if 1 < len(values) <= _FEW_VALUES and all(_is_plain(one) for one in values):
            listed = ", ".join(map(repr, values))
            return [f"Only {listed} in the sample. Are there no others? Then write isin=[…]."]
    return []


def _is_plain(text: str) -> bool:
    """A word of a vocabulary, and nothing that somebody typed."""
    return 0 < len(text) <= 20 and text.isprintable() and not any(s.isdigit() for s in text)


def _description(column: ColumnFacts) -> str:
    if column.comment:
        return column.comment
    if column.references:
        return f"Of {column.references}."
    return "As the source has it."
