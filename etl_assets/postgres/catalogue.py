"""What the source's catalogue says of a table's columns and of its unique indexes.

Identifiers reach SQL only after they were found here, and quoted by the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.fingerprint import fingerprint

_COLUMNS = sa.text("""
    WITH RECURSIVE base(attnum, oid, typmod) AS (
        SELECT a.attnum, a.atttypid, a.atttypmod FROM pg_attribute a
        WHERE a.attrelid = to_regclass(:relation) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, t.typbasetype, greatest(t.typtypmod, b.typmod)
        FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
    )
    SELECT a.attname, t.typname, coalesce(d.typname, e.typname) AS element, b.typmod,
           format_type(a.atttypid, a.atttypmod) AS shown, format_type(b.oid, -1) AS cast_to,
           a.attnotnull AND NOT EXISTS (  -- NOT NULL that is NOT VALID says nothing of older rows
               SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'n'
               AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated
           ) AS not_null,
           coalesce((SELECT (to_jsonb(l) ->> 'collisdeterministic')::boolean FROM pg_collation l
                     WHERE l.oid = a.attcollation), TRUE) AS is_exact,
           t.typlen < 0 AND t.typname <> 'numeric' AND NOT (
               t.typname IN ('varchar', 'bpchar') AND b.typmod BETWEEN 4 AND 100000
           ) AS is_long
    FROM base b
    JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    LEFT JOIN pg_type d ON d.oid = e.typbasetype
    JOIN pg_attribute a ON a.attrelid = to_regclass(:relation) AND a.attnum = b.attnum
    ORDER BY a.attnum
""")


# What a deferred constraint, a predicate, an expression or an operator class of its own guarantees
# is less than what is asked for here, or not the same. A view has no index.
_UNIQUE = """
    SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid
                 AND a.attnum = ANY (columns.numbers)) AS names,
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, FALSE) OR NOT EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid
               AND a.attnum = ANY (columns.numbers) AND (NOT a.attnotnull OR EXISTS (
                   SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'n'
                   AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated))
           ) AS nulls_are_equal
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    CROSS JOIN LATERAL (
        SELECT (string_to_array(i.indkey::text, ' ')::int2[])[:i.indnkeyatts] AS numbers
    ) AS columns
    WHERE i.indrelid = to_regclass(%s) AND c.relkind IN ('r', 'p')
    AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND NOT i.indisexclusion
    AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM unnest(string_to_array(i.indclass::text, ' ')::oid[]) AS used(class)
                    JOIN pg_opclass o ON o.oid = used.class
                    WHERE NOT o.opcdefault AND o.opcname NOT LIKE '%%\\_pattern\\_ops')
    AND (c.relkind = 'p' OR %s
         OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid))
"""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalogue has it; domains are followed to their base type.

    `type` is PostgreSQL's own name (`int8`, `timestamptz`); of an array, `element` is the
    elements' type. `typmod` holds precision and scale of a numeric. `shown` is for people,
    `cast_to` for SQL: the base type, without the bounds that a cast would cut a value to.
    `is_exact` is false for a collation that takes different texts for equal, `is_long` for a type
    whose texts all have a few hundred thousand bytes at most.
    """

    name: str
    type: str
    element: str | None
    typmod: int
    shown: str
    cast_to: str = ""
    not_null: bool = False
    is_exact: bool = True
    is_long: bool = False

    @property
    def numeric_precision(self) -> tuple[int, int] | None:
        """(precision, scale) of a `numeric(p,s)`, None where it is unbounded."""
        if self.typmod < 4:
            return None
        scale = (self.typmod - 4) & 0x7FF
        return (self.typmod - 4) >> 16, scale - 0x800 if scale & 0x400 else scale


def read_columns(connection: sa.Connection, schema: str, table: str) -> Mapping[str, SourceColumn]:
    """The columns by name, in the table's order; none if the role sees no such table."""
    relation = sql.Identifier(schema, table).as_string()
    rows = connection.execute(_COLUMNS, {"relation": relation})
    return {row.attname: SourceColumn(*row) for row in rows}


def column_fingerprint(columns: Mapping[str, SourceColumn], read: Iterable[str]) -> str:
    """A digest that changes when a column that is `read` is renamed, retyped or moved (C10)."""
    used = set(read)
    return fingerprint([f"{c.name}:{c.shown}" for c in columns.values() if c.name in used])


@dataclass(frozen=True)
class UniqueIndex:
    """A unique index that holds for all rows which a query of the table finds.

    `nulls_are_equal`: no two rows have the same values even where NULL is equal to NULL.
    """

    columns: frozenset[str]
    nulls_are_equal: bool


def read_unique_indexes(
    connection: psycopg.Connection, schema: str, table: str, *, only: bool = False
) -> Sequence[UniqueIndex]:
    """The unique indexes that guarantee something; none for a view, nor for a table with children,
    whose rows are read with its own unless `only` these are. Raises psycopg.Error.
    """
    relation = sql.Identifier(schema, table).as_string()
    rows = connection.execute(_UNIQUE, [relation, only]).fetchall()
    return [UniqueIndex(frozenset(names), nulls) for names, nulls in rows]
