"""Asks a PostgreSQL what it says of one table: catalogue, statistics, and a bounded look at its
rows; in one read-only snapshot, with a time for each statement. What follows from it is decided in
`propose.py`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import sqlalchemy as sa

from etl_assets.core.errors import SourceError
from etl_assets.postgres.catalogue import SourceColumn, read_columns, read_unique_indexes
from etl_assets.postgres.connection import driver_of, source_errors
from etl_assets.postgres.copy import EXACT_TEXT
from etl_assets.scaffold import catalogue
from etl_assets.scaffold.facts import ColumnFacts, FoundKey, Measured, Relation, TableFacts
from etl_assets.scaffold.key_search import KeySearch
from etl_assets.scaffold.measure import Bounds, measured, of_sample, sample_of
from etl_assets.scaffold.names import shown
from etl_assets.sources.postgres.row_security import hidden_rows

_ZONE = "SELECT 1 FROM pg_timezone_names WHERE name = %s"
_UTC_DEFAULT = re.compile(r"timezone\('utc'::text|AT TIME ZONE 'utc'", re.IGNORECASE)


@contextmanager
def one_moment(engine: sa.Engine, doing: str) -> Iterator[sa.Connection]:
    """A read-only snapshot of the source; raises SourceUnavailable or SourceError, which say what
    was being done."""
    with source_errors(doing), engine.connect() as connection:
        opened = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        opened.exec_driver_sql(EXACT_TEXT)
        yield opened


def relations_of(engine: sa.Engine, connection: str) -> list[Relation]:
    """What has rows in the database of that connection; raises as `one_moment` does."""
    with one_moment(engine, "asking the source which tables it has") as opened:
        found = catalogue.read_relations(driver_of(opened))
    return [replace(relation, connection=connection) for relation in found]


def reflect(
    engine: sa.Engine,
    relation: Relation,
    bounds: Bounds | None = None,
    key: Sequence[str] = (),
    *,
    zone: str | None = None,
    accepts_hidden: bool = False,
) -> TableFacts:
    """What the source says of a relation; a `key` that is given is not searched, and a `zone` is
    that of clocks without one. `accepts_hidden` reads the rows that row security shows.

    Raises SourceError for what cannot be read, with what to do, and SourceUnavailable.
    """
    bounds = bounds or Bounds()
    with one_moment(engine, f"reading a sample of {relation.shown}") as opened:
        driver = driver_of(opened)
        told = catalogue.read_table(driver, relation)
        columns = read_columns(opened, relation.schema, relation.table)
        if not columns:
            raise SourceError(f"{relation.shown} has no columns.", "Add some, or leave it out.")
        if not told["has_data"]:
            raise SourceError(
                f"The materialised view {relation.shown} has no data, so its rows are not known.",
                f"Refresh it there: REFRESH MATERIALIZED VIEW {catalogue.quoted(relation)};",
            )
        declared = catalogue.read_declared(driver, relation)
        _refuse_unreadable(
            driver, relation, may_read=told["may_read"], accepts_hidden=accepts_hidden
        )
        if zone:
            is_known = driver.execute(_ZONE, [zone]).fetchone()
            if is_known is None:
                raise SourceError(f"The database knows no zone {zone!r}.", "Write an IANA name.")
        try:
            facts = _of_rows(opened, relation, told, columns, declared, bounds)
        except psycopg.errors.QueryCanceled:
            raise SourceError(
                f"{relation.shown} gives no {'rows' if relation.kind in 'vf' else 'sample'} within "
                f"{bounds.seconds} seconds.",
                "Give it more with --seconds, or write its module by hand: "
                "docs/adding-a-table.md has a model.",
            ) from None
        if zone:
            facts = replace(facts, zone=zone, zone_why="--zone says so")
        return replace(facts, **_key_of(driver, facts, list(columns.values()), key, bounds))


def _refuse_unreadable(
    driver: psycopg.Connection[Any],
    relation: Relation,
    *,
    may_read: bool,
    accepts_hidden: bool,
) -> None:
    """Raises SourceError for a table that the role may not read, or not all rows of."""
    if not may_read:  # columns that are granted one by one are not enough to lock it
        (role,) = driver.execute("SELECT current_user").fetchone() or ("",)
        raise SourceError(
            f"The role {role} may not read {relation.shown}.",
            f"Its owner grants it: GRANT SELECT ON {catalogue.quoted(relation)} TO {role};",
        )
    hidden = hidden_rows(driver, [catalogue.quoted(relation)])
    if hidden and not accepts_hidden:
        raise SourceError(
            f"{' '.join(one.told() for one in hidden)} A row that is hidden cannot be told from "
            "one that was deleted.",
            "Give the role BYPASSRLS, or read as the owner. If only the visible rows are wanted, "
            "write --row-security.",
        )


def _of_rows(
    opened: sa.Connection,
    relation: Relation,
    told: Any,
    columns: Any,
    declared: Any,
    bounds: Bounds,
) -> TableFacts:
    driver = driver_of(opened)
    own = list(columns.values())
    rows = told["rows"]
    # A table that was never analysed: a row has a hundred bytes or so.
    guessed = rows if rows is not None else (told["bytes"] or 0) // 100
    sample, has_all = sample_of(driver, relation, own, guessed, bounds)
    all_values = measured(driver, relation, own, guessed, bounds)
    values = all_values[1] if all_values else of_sample(own, sample)
    found, may_be_null = [], catalogue.read_null_below(driver, relation)
    for name, column in columns.items():
        is_sure = relation.kind != "f" and name not in may_be_null
        source = column if is_sure else replace(column, not_null=False)
        found.append(ColumnFacts(source, **declared[name], measured=values.get(name, Measured())))
    (now,) = driver.execute("SELECT statement_timestamp()::text").fetchone() or ("",)
    zone_why = catalogue.read_utc_convention(driver, relation)
    defaults = [one.name for one in found if _UTC_DEFAULT.search(one.default or "")]
    if not zone_why and defaults:
        zone_why = f"the default of {defaults[0]} says so"
    return TableFacts(
        relation,
        found,
        comment=told["comment"],
        rows=all_values[0] if all_values else rows,
        is_counted=all_values is not None,
        checks=catalogue.read_checks(driver, relation),
        sample=sample,
        has_all_rows=has_all,
        sets_on_update=told["sets_on_update"],
        zone="UTC" if zone_why else None,
        zone_why=zone_why,
        now=now,
    )


def _key_of(
    driver: psycopg.Connection[Any],
    facts: TableFacts,
    columns: Sequence[SourceColumn],
    given: Sequence[str],
    bounds: Bounds,
) -> dict[str, Any]:
    """The fields of the key: as given, as an index guarantees it, or as the rows have it."""
    unknown = [name for name in given if name not in [column.name for column in columns]]
    if unknown:
        raise SourceError(
            f"{facts.relation.shown} has no column {unknown[0]!r}.",
            f"Write some of {shown([column.name for column in columns], 20)} after --key.",
        )
    if given:
        return {"key": FoundKey(tuple(given), "this is what --key says", False)}
    relation = facts.relation
    names = {column.name for column in columns}
    primary = catalogue.read_primary_key(driver, relation)
    indexes = read_unique_indexes(driver, relation.schema, relation.table)
    proven = [index for index in indexes if index.nulls_are_equal and index.columns <= names]
    if primary and set(primary) <= names:
        is_proven = any(index.columns == set(primary) for index in proven)
        why = "it is the primary key"
        if not is_proven:
            why += ", which does not hold for all that is read: it is deferrable, or tables inherit"
        return {"key": FoundKey(primary, why, is_proven)}
    usable = [i for i in proven if not any(_is_float(facts, name) for name in i.columns)]
    if usable:
        best = min(usable, key=lambda index: (len(index.columns), sorted(index.columns)))
        order = tuple(c.name for c in columns if c.name in best.columns)
        return {"key": FoundKey(order, "a unique index of the source guarantees it", True)}
    found = KeySearch(driver, relation, columns, facts.sample, bounds).found()
    return {"key": found} if isinstance(found, FoundKey) else {"no_key": found}


def _is_float(facts: TableFacts, name: str) -> bool:
    return facts.column(name).type in {"float4", "float8", "array", "json", "jsonb"}
