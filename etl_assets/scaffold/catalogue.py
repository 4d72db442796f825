"""The catalogue and the statistics of a PostgreSQL: which relations there are, and what is declared
of the columns of one. Values are measured in `measure.py`, and keys searched in `key_search.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from etl_assets.scaffold.facts import Relation

_RELATIONS = """
    SELECT n.nspname::text, c.relname::text, c.relkind::text,
           (SELECT format('%s.%s', pn.nspname, p.relname) FROM pg_inherits h
            JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE h.inhrelid = c.oid ORDER BY h.inhseqno LIMIT 1) AS child_of
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname
"""
_TABLE = """
    SELECT obj_description(c.oid, 'pg_class') AS comment,
           CASE WHEN c.relkind = 'p' THEN (
               SELECT CASE WHEN min(l.reltuples) >= 0 THEN sum(l.reltuples) END
               FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf)
           WHEN c.reltuples >= 0 THEN c.reltuples END::bigint AS rows,
           CASE WHEN c.relkind = 'p' THEN (
               SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t WHERE t.isleaf)
           ELSE pg_relation_size(c.oid) END::bigint AS bytes,
           EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
                   AND g.tgtype & 1 = 1 AND g.tgtype & 2 = 2 AND g.tgtype & 16 = 16
                   AND g.tgenabled <> 'D') AS sets_on_update,
           c.relispopulated AS has_data, has_table_privilege(c.oid, 'SELECT') AS may_read
    FROM pg_class c WHERE c.oid = to_regclass(%s)
"""
# The default is printed as it is: a volatile function is not called.
_COLUMNS = """
    SELECT a.attname::text AS name, col_description(a.attrelid, a.attnum) AS comment,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
           ARRAY(WITH RECURSIVE base(oid) AS (
                     SELECT a.atttypid UNION ALL SELECT t.typbasetype FROM base
                     JOIN pg_type t ON t.oid = base.oid WHERE t.typtype = 'd')
                 SELECT e.enumlabel::text FROM base JOIN pg_enum e ON e.enumtypid = base.oid
                 ORDER BY e.enumsortorder) AS labels,
           (SELECT format('%%s.%%s.%%s', n.nspname, r.relname, b.attname) FROM pg_constraint f
            JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
            JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
            WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum]
            ORDER BY f.conname LIMIT 1) AS references
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
# Before PostgreSQL 18 a table that inherits may have dropped a NOT NULL of its parent.
_NULL_BELOW = """
    WITH RECURSIVE below(oid) AS (
        SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%s)
        UNION SELECT h.inhrelid FROM below JOIN pg_inherits h ON h.inhparent = below.oid)
    SELECT DISTINCT a.attname::text FROM below JOIN pg_attribute a ON a.attrelid = below.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull
"""
_STATISTICS = """
    SELECT attname::text, null_frac, n_distinct FROM pg_stats
    WHERE schemaname = %s AND tablename = %s ORDER BY inherited
"""
# Neither a condition that older rows need not keep, nor one that nobody enforces (PostgreSQL 18).
_CHECKS = """
    SELECT pg_get_expr(c.conbin, c.conrelid) FROM pg_constraint c
    WHERE c.conrelid = to_regclass(%(relation)s) AND c.contype = 'c' AND c.convalidated
    AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, TRUE)
    AND (NOT c.connoinherit OR NOT EXISTS (
         SELECT FROM pg_inherits h WHERE h.inhparent = c.conrelid))
    UNION ALL
    SELECT replace(pg_get_expr(c.conbin, 0), 'VALUE', quote_ident(a.attname))
    FROM pg_attribute a CROSS JOIN LATERAL (
        WITH RECURSIVE domains(oid) AS (
            SELECT a.atttypid UNION ALL SELECT t.typbasetype FROM domains
            JOIN pg_type t ON t.oid = domains.oid WHERE t.typtype = 'd')
        SELECT k.conbin FROM domains JOIN pg_constraint k ON k.contypid = domains.oid
        WHERE k.contype = 'c' AND k.convalidated) AS c
    WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
"""
_PRIMARY = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
                 ORDER BY k.place)
    FROM pg_constraint c WHERE c.conrelid = to_regclass(%s) AND c.contype = 'p'
"""
_CONVENTIONS = """
    SELECT n.nspname::text, c.relname::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname IN ('ar_internal_metadata', '_prisma_migrations') AND c.relkind = 'r'
    AND n.nspname = %s
    UNION ALL
    SELECT n.nspname::text, 'schema_migrations of Ecto' FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'inserted_at'
    WHERE c.relname = 'schema_migrations' AND c.relkind = 'r' AND n.nspname = %s
"""
_UTC = {
    "ar_internal_metadata": "Rails keeps its times in UTC, and this is a database of Rails",
    "_prisma_migrations": "Prisma keeps its times in UTC, and this is a database of Prisma",
    "schema_migrations of Ecto": "Ecto keeps its times in UTC, and this is a database of Ecto",
}


def read_relations(connection: psycopg.Connection) -> list[Relation]:
    """What has rows in the database, but for the system's and those of extensions.

    Raises psycopg.Error.
    """
    found = connection.execute(_RELATIONS).fetchall()
    return [Relation(schema, table, kind, child_of) for schema, table, kind, child_of in found]


def quoted(relation: Relation) -> str:
    """The relation as SQL names it."""
    return sql.Identifier(relation.schema, relation.table).as_string()


def read_table(connection: psycopg.Connection, relation: Relation) -> Mapping[str, Any]:
    """Comment, rows (None: never analysed), bytes, whether a trigger sets something on update,
    whether a view has data, and whether the role may read it. Raises psycopg.Error."""
    names = ("comment", "rows", "bytes", "sets_on_update", "has_data", "may_read")
    found = connection.execute(_TABLE, [quoted(relation)]).fetchone()
    return dict(zip(names, found or (None, None, 0, False, True, False), strict=True))


def read_declared(
    connection: psycopg.Connection, relation: Relation
) -> Mapping[str, Mapping[str, Any]]:
    """What is declared of each column, with its statistics. Raises psycopg.Error."""
    names = ("comment", "default", "labels", "references")
    rows = connection.execute(_COLUMNS, [quoted(relation)]).fetchall()
    found = {name: dict(zip(names, rest, strict=True)) for name, *rest in rows}
    for told in found.values():
        told["labels"] = tuple(told["labels"])
    seen = connection.execute(_STATISTICS, [relation.schema, relation.table]).fetchall()
    for name, null_share, distinct in seen:
        if name in found:
            found[name] |= {"null_share": null_share, "distinct": distinct}
    return found


def read_null_below(connection: psycopg.Connection, relation: Relation) -> set[str]:
    """The columns that may be NULL in some table that inherits from it. Raises psycopg.Error."""
    found = connection.execute(_NULL_BELOW, [quoted(relation)]).fetchall()
    return {name for (name,) in found}


def read_checks(connection: psycopg.Connection, relation: Relation) -> Sequence[str]:
    """The conditions that every row keeps. Raises psycopg.Error."""
    if relation.kind == "f":  # the other server may enforce it, or not
        return []
    found = connection.execute(_CHECKS, {"relation": quoted(relation)}).fetchall()
    return [condition for (condition,) in found if condition]


def read_primary_key(connection: psycopg.Connection, relation: Relation) -> tuple[str, ...]:
    """Its columns in their order; none where there is no primary key. Raises psycopg.Error."""
    found = connection.execute(_PRIMARY, [quoted(relation)]).fetchone()
    return tuple(found[0]) if found else ()


def read_utc_convention(connection: psycopg.Connection, relation: Relation) -> str:
    """Why clocks without a zone show UTC here; "" where nothing says so. Raises psycopg.Error."""
    found = connection.execute(_CONVENTIONS, [relation.schema] * 2).fetchall()
    return next((f"{_UTC[name]} ({schema})" for schema, name in found), "")
