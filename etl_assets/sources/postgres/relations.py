"""What kind of relation a source table is, how it is kept from changing while it is read, and what
PostgreSQL cannot guarantee for its kind (B4, B6).

Which rows of it are read is `select.py`; what policies hide is `row_security.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
from psycopg import sql

from etl_assets.core.errors import SourceError
from etl_assets.core.position import Horizon
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.declared import source_table

# All that a query of the relation reads: children, partitions, and what views are made of. What a
# materialised view reads was read when it was refreshed.
_USED = """
    WITH RECURSIVE used(number, relation, depth) AS (
        SELECT number, to_regclass(name)::oid, 0
        FROM unnest(%s::text[]) WITH ORDINALITY AS asked(name, number)
        UNION
        SELECT u.number, next.relation, 1 FROM used u CROSS JOIN LATERAL (
            SELECT d.refobjid FROM pg_class v
            JOIN pg_rewrite r ON r.ev_class = v.oid
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
            WHERE v.oid = u.relation AND v.relkind = 'v'
            UNION ALL
            SELECT h.inhrelid FROM pg_inherits h
            WHERE h.inhparent = u.relation AND (u.depth > 0 OR NOT %s)
        ) AS next(relation)
    )
    SELECT u.number, u.depth = 0 AS is_asked, c.relkind::text AS kind,
           format('%%s.%%s', n.nspname, c.relname) AS name, s.srvname::text AS server,
           EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid) AND NOT c.relispartition
               AS is_child, c.relispopulated AS has_data
    FROM used u
    JOIN pg_class c ON c.oid = u.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
    LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
    ORDER BY u.number, u.depth, name
"""
_TABLES = {"r", "p", "v", "m", "f"}


@dataclass(frozen=True)
class Relation:
    """A relation that a table is read from, as the catalogue has it.

    `kind` is PostgreSQL's letter: `r` table, `p` partitioned, `v` view, `m` materialised view, `f`
    foreign table; empty where there is no such relation. `foreign` names each foreign table that is
    read, with its server, and `refreshed` each materialised view; it may be one itself. `children`
    are the tables that inherit from it and are read with it, partitions not among them.
    """

    name: str
    kind: str = ""
    foreign: tuple[tuple[str, str], ...] = ()
    refreshed: tuple[str, ...] = ()
    children: tuple[str, ...] = ()

    @property
    def comes_late(self) -> bool:
        """Whether rows can come to it whenever, with cursors from long ago."""
        return bool(self.foreign or self.refreshed)


@dataclass(frozen=True)
class Relations:
    """The relation of a table itself and, if its spec names one, its parent's."""

    table: LayerTable
    own: Relation
    parent: Relation | None = None

    def limits(self) -> list[str]:
        """What cannot be guaranteed, in a sentence each; empty for tables and partitioned ones."""
        own, cursor = self.own, self.table.cursor
        told = [*_of_kind(own)]
        if cursor and own.kind == "v":
            told.append(
                f"{own.name} is a view: a row that comes into it, changes or leaves it without a "
                f"new {cursor.shown} is seen by a reconciliation only, not by a sync."
            )
        if cursor and own.comes_late:
            told.append(
                f"A sync of it goes on after the last row that it read. Rows that come later with "
                f"an earlier {cursor.shown} are seen by a reconciliation only, or, if they are "
                "late by less than `lookback` of the table's spec, by the next sync."
            )
        if self.parent is not None:
            told += _of_kind(self.parent)
            if self.parent.kind in {"v", "m", "f"}:
                told.append(
                    f"The day of a row is that of its parent in {self.parent.name}: a parent that "
                    "comes later than the row is seen by a reconciliation only."
                )
        return told

    def bound(self, horizon: Horizon, lag: timedelta) -> Horizon:
        """How far changes may be read of such a table, where the database allows `horizon`."""
        if not self.own.foreign:
            return replace(horizon, holds=not self.own.comes_late)
        name, server = self.own.foreign[0]
        warning = (
            f"{name} is read from the foreign server {server}, where open transactions and the "
            f"clock cannot be seen, so the sync stays {lag} behind; what takes longer to commit "
            "there may be missed until a reconciliation."
        )
        return replace(
            horizon,
            moment=min(horizon.moment, horizon.now - lag),
            warnings=(*horizon.warnings, warning),
            holds=False,
        )


def _of_kind(relation: Relation) -> list[str]:
    """What is true of the relation whether the table syncs or not."""
    told = []
    if relation.children:
        told.append(
            f"{relation.name} has child tables, whose rows are read with its own "
            f"({_some(relation.children)}): no unique index holds for all of them, so each load "
            "looks for keys that stand in two rows. For its own rows alone write "
            "PostgresTable(..., only=True)."
        )
    if relation.refreshed:
        told.append(
            f"{_read(relation, 'materialised view', relation.refreshed)}: its rows are as they "
            "were at its last REFRESH, and not as they are when it is read."
        )
    if relation.foreign:
        servers = dict.fromkeys(server for _, server in relation.foreign)
        names = tuple(name for name, _ in relation.foreign)
        told.append(
            f"{_read(relation, 'foreign table', names)} of the foreign server "
            f"{', '.join(servers)}: what is read is of another moment than the rest of the "
            "database, nothing locks it against TRUNCATE, and rows that row security hides there "
            "look like deleted ones."
        )
    return told


def _read(relation: Relation, kind: str, names: Sequence[str]) -> str:
    if relation.name in names:
        return f"{relation.name} is a {kind}"
    return f"{relation.name} reads the {kind} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def hold(connection: psycopg.Connection, table: LayerTable) -> None:
    """Lock what the table is read from against rewrites (C9); call it before the first query.

    What PostgreSQL does not lock, materialised views and foreign tables, is left for `hold_late`.
    Raises psycopg.Error.
    """
    for relation in identifiers(source_table(table)):
        try:
            with connection.transaction():  # a savepoint, which takes no snapshot
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation))
        except psycopg.errors.WrongObjectType:
            continue


def hold_late(connection: psycopg.Connection, relations: Relations) -> None:
    """Lock the materialised views among it until the end of the transaction.

    Planning a query locks what it reads. A REFRESH that came between the snapshot and this shows
    all of its rows to older snapshots too, so what is read is one state. Raises psycopg.Error.
    """
    named = identifiers(source_table(relations.table))
    for relation, identifier in zip((relations.own, relations.parent), named, strict=False):
        if relation is not None and relation.comes_late:
            connection.execute(sql.SQL("EXPLAIN SELECT FROM {}").format(identifier))


def identifiers(source: PostgresTable) -> list[sql.Composable]:
    """What SELECT and LOCK name: the table, ONLY it where the spec says so, and its parent."""
    own: sql.Composable = sql.Identifier(source.schema, source.table)
    if source.only:
        own = sql.SQL("ONLY {}").format(own)
    if source.parent is None:
        return [own]
    return [own, sql.Identifier(source.schema, source.parent.table)]


def read_relations(connection: psycopg.Connection, table: LayerTable) -> Relations:
    """What the table is read from. Raises psycopg.Error, and SourceError for what has no rows."""
    source = source_table(table)
    names = [source.table, *([source.parent.table] if source.parent else [])]
    quoted = [sql.Identifier(source.schema, name).as_string(connection) for name in names]
    rows = connection.execute(_USED, [quoted, source.only]).fetchall()
    found = [
        _relation(f"{source.schema}.{name}", [row[1:6] for row in rows if row[0] == number])
        for number, name in enumerate(names, 1)
    ]
    own = found[0]
    for empty in [row[3] for row in rows if not row[6]]:
        raise SourceError(
            f"{table.path} cannot be read: the materialised view {empty} has no data, so it is not "
            "known what its rows are.",
            f"Refresh it in the source: REFRESH MATERIALIZED VIEW {empty}.",
        )
    if own.kind and own.kind not in _TABLES:
        raise SourceError(
            f"{table.path} cannot be read: {own.name} is neither a table nor a view.",
            f"Name a table, a view, a materialised view or a foreign table in {table.declared_in}.",
        )
    if source.only and own.kind == "p":
        raise SourceError(
            f"{table.path} cannot be read: {own.name} is partitioned, so it has no rows of its "
            "own, and its spec asks for only these.",
            f"Take only=True out of the source in {table.declared_in}.",
        )
    return Relations(table, own, found[1] if source.parent else None)


def _relation(name: str, rows: Sequence[tuple[bool, str, str, str | None, bool]]) -> Relation:
    asked = [kind for is_asked, kind, _, _, _ in rows if is_asked]
    return Relation(
        name=name,
        kind=asked[0] if asked else "",
        foreign=tuple((used, server) for _, _, used, server, _ in rows if server is not None),
        refreshed=tuple(used for _, kind, used, _, _ in rows if kind == "m"),
        children=tuple(used for is_asked, _, used, _, is_child in rows if is_child and not is_asked)
        if asked == ["r"] or asked == ["f"]
        else (),
    )
