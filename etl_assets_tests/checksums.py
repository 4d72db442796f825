"""A checksum over every column, computed by PostgreSQL on its rows and by Python on a frame.

The two sides share no code: PostgreSQL prints each value in a plain form (bits of a float,
microseconds of a moment, hexadecimal of a text), Python makes the same form of the value it has.
"""

import hashlib
import math
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl
import psycopg

_MICROSECOND = timedelta(microseconds=1)

SQL_FORMS = {
    "integer": "({})::text",
    "boolean": "({})::int::text",
    "float": "CASE WHEN ({0}) = 'NaN' THEN 'nan' ELSE encode(float8send({0}), 'hex') END",
    "decimal": "({})::text",
    "moment": "(extract(epoch FROM {}) * 1000000)::bigint::text",
    "date": "(({}) - date '1970-01-01')::text",
    "time": "(extract(epoch FROM {}) * 1000000)::bigint::text",
    "text": "encode(convert_to(({})::text, 'UTF8'), 'hex')",
    "bytes": "encode({}, 'hex')",
}
"""How PostgreSQL prints a value of a kind, NULL for NULL."""


class ColumnSum(NamedTuple):
    """What is compared of a column: rows, nulls, and the MD5 of the sorted forms."""

    rows: int
    nulls: int
    digest: str


def source_sums(
    url: str, relation: str, condition: str, forms: Mapping[str, str]
) -> dict[str, ColumnSum]:
    """The sums of a table's rows; `forms` has an SQL expression for each column, see `form_of`.

    The sum `*` is over whole rows, so that values in the wrong row are noticed.
    """
    row = "concat_ws('|', " + ", ".join(f"coalesce({form}, '-')" for form in forms.values()) + ")"
    wanted = ", ".join(
        f"count(*), count(*) - count({form}), "
        f"md5(coalesce(string_agg({form}, E'\\n' ORDER BY {form} COLLATE \"C\"), ''))"
        for form in [*forms.values(), row]
    )
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'")
        query = f"SELECT {wanted} FROM {relation} AS t WHERE {condition}"
        flat = connection.execute(query.encode()).fetchone() or ()
    sums = [ColumnSum(*flat[at : at + 3]) for at in range(0, len(flat), 3)]
    return dict(zip([*forms, "*"], sums, strict=True))


def form_of(kind: str, expression: str) -> str:
    """The SQL for a value of a kind; `list of <kind>` prints `[a,b]`, with `-` for a NULL."""
    if not kind.startswith("list of "):
        return f"({SQL_FORMS[kind].format(expression)})"
    item = SQL_FORMS[kind.removeprefix("list of ")].format("item")
    items = f"SELECT string_agg(coalesce({item}, '-'), ',' ORDER BY n)"
    items += f" FROM unnest({expression}) WITH ORDINALITY AS u(item, n)"
    return f"(CASE WHEN {expression} IS NOT NULL THEN '[' || coalesce(({items}), '') || ']' END)"


def frame_sums(frame: pl.DataFrame) -> dict[str, ColumnSum]:
    """The sums of a frame's rows."""
    columns = {name: [_form(value) for value in frame[name].to_list()] for name in frame.columns}
    rows = [
        "|".join("-" if form is None else form for form in row)
        for row in zip(*columns.values(), strict=True)
    ]
    return {name: _sum(forms) for name, forms in {**columns, "*": rows}.items()}


def _sum(forms: list[str | None] | list[str]) -> ColumnSum:
    there = sorted(form for form in forms if form is not None)
    digest = hashlib.md5("\n".join(there).encode()).hexdigest()
    return ColumnSum(len(forms), len(forms) - len(there), digest)


def _form(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(int(value))
        case int():
            return str(value)
        case float():
            return "nan" if math.isnan(value) else struct.pack(">d", value).hex()
        case Decimal():
            return format(value, "f")
        case datetime():
            epoch = datetime(1970, 1, 1, tzinfo=UTC if value.tzinfo else None)
            return str((value - epoch) // _MICROSECOND)
        case date():
            return str((value - date(1970, 1, 1)).days)
        case time():
            return str((datetime.combine(date.min, value) - datetime.min) // _MICROSECOND)
        case str():
            return value.encode().hex()
        case bytes():
            return value.hex()
        case list():
            return "[" + ",".join("-" if i is None else str(_form(i)) for i in value) + "]"
    raise TypeError(type(value))
