"""What the source's catalogue says of a table's columns, and what a contract makes of it.

Identifiers reach SQL only after they were found here, and quoted by the driver.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.audit import fingerprint

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
           a.attnotnull AS not_null
    FROM base b
    JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    LEFT JOIN pg_type d ON d.oid = e.typbasetype
    JOIN pg_attribute a ON a.attrelid = to_regclass(:relation) AND a.attnum = b.attnum
    ORDER BY a.attnum
""")


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalogue has it; domains are followed to their base type.

    `type` is PostgreSQL's own name (`int8`, `timestamptz`); of an array, `element` is the
    elements' type. `typmod` holds precision and scale of a numeric. `shown` is for people,
    `cast_to` for SQL: the base type, without the bounds that a cast would cut a value to.
    """

    name: str
    type: str
    element: str | None
    typmod: int
    shown: str
    cast_to: str = ""
    not_null: bool = False

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
