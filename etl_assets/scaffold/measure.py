"""What the values of a table are like: all of them where they can be read within the bounds, else a
sample. Nothing of the table is declared here; that is `catalogue.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.scaffold.facts import MOMENTS, Measured, Relation

_CELLS, _ROWS = 400_000, 5_000
_TEXT = 200
"""So many characters of a value are looked at."""
_EXPRESSIONS = 800
_NUMBERS = ("int2", "int4", "int8", "numeric")


@dataclass(frozen=True)
class Bounds:
    """How much of a source is read: `seconds` for one statement, and tables of up to `all_rows`
    rows as a whole."""

    seconds: int = 20
    all_rows: int = 2_000_000


@contextmanager
def in_time(connection: psycopg.Connection, seconds: int) -> Iterator[None]:
    """Statements that may take so long; what they did is undone where they fail.

    Raises psycopg.errors.QueryCanceled where one takes longer.
    """
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {seconds * 1000}")
        yield


def sample_of(
    connection: psycopg.Connection,
    relation: Relation,
    columns: Sequence[SourceColumn],
    rows: int | None,
    bounds: Bounds,
) -> tuple[pl.DataFrame, bool]:
    """Some rows as `texts_of` has them, and whether they are all; raises psycopg.Error."""
    most = max(50, min(_ROWS, _CELLS // max(1, len(columns))))
    begin = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(text_of, columns)), sql.Identifier(relation.schema, relation.table)
    )
    end = sql.SQL(" LIMIT {}").format(sql.Literal(most + 1))
    found: list[tuple[str | None, ...]] = []
    if relation.kind in "rmp" and rows and rows > 4 * most:
        share = min(100.0, 150 * most / rows)
        spread = sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE (1)").format(sql.Literal(share))
        with in_time(connection, bounds.seconds):
            found = connection.execute(begin + spread + end).fetchall()
    is_all = False
    if len(found) < most // 4:
        with in_time(connection, bounds.seconds):
            found = connection.execute(begin + end).fetchall()
        is_all = len(found) <= most
    return texts_of(found[:most], len(columns)), is_all


def texts_of(rows: Sequence[tuple[str | None, ...]], columns: int) -> pl.DataFrame:
    """The rows as a frame with columns 0, 1, …: Polars takes some names for patterns."""
    schema = {str(place): pl.String for place in range(columns)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def text_of(column: SourceColumn) -> sql.Composable:
    """The begin of a column's value as text, in SQL."""
    name = sql.Identifier(column.name)
    if column.type == "bytea":
        return sql.SQL("left(encode(substr({}, 1, 64), 'hex'), 200)").format(name)
    if column.type == "money":
        return sql.SQL("{}::numeric::text").format(name)
    return sql.SQL("left({}::text, {})").format(name, sql.Literal(_TEXT))


def measured(
    connection: psycopg.Connection,
    relation: Relation,
    columns: Sequence[SourceColumn],
    rows: int | None,
    bounds: Bounds,
) -> tuple[int, Mapping[str, Measured]] | None:
    """The number of rows, and what all values of each column are like.

    None where the table is too large, or takes too long. Raises psycopg.Error.
    """
    if rows is not None and rows > bounds.all_rows:
        return None
    asked: list[tuple[str, str, sql.Composable]] = []
    for column in columns:
        asked += [(column.name, what, one) for what, one in _aggregates(column)]
    values: dict[str, dict[str, str | None]] = {column.name: {} for column in columns}
    count = 0
    try:
        with in_time(connection, bounds.seconds):
            for at in range(0, max(1, len(asked)), _EXPRESSIONS):
                part = asked[at : at + _EXPRESSIONS]
                wanted = sql.SQL(", ").join([sql.SQL("count(*)"), *(one for *_, one in part)])
                query = sql.SQL("SELECT {} FROM {}").format(
                    wanted, sql.Identifier(relation.schema, relation.table)
                )
                count, *found = connection.execute(query).fetchone() or (0,)
                for (name, what, _), value in zip(part, found, strict=True):
                    values[name][what] = value
    except psycopg.errors.QueryCanceled:
        return None
    return count, {name: _measured(told, count) for name, told in values.items()}


def _aggregates(column: SourceColumn) -> Iterator[tuple[str, sql.Composable]]:
    name = sql.Identifier(column.name)
    yield "there", sql.SQL("count({})::text").format(name)
    if column.element is not None:
        return
    if column.type in (*MOMENTS, *_NUMBERS):
        yield "least", sql.SQL("min({})::text").format(name)
        yield "greatest", sql.SQL("max({})::text").format(name)
    if column.type == "numeric" and column.numeric_precision is None:
        finite = "max(scale({c})) FILTER (WHERE {c} NOT IN ('NaN', 'Infinity', '-Infinity'))::text"
        yield "scale", sql.SQL(finite).format(c=name)
    odd = {
        "timestamptz": "{c} < '0001-01-01' OR {c} >= '10000-01-01'",
        "timestamp": "{c} < '0001-01-01' OR {c} >= '10000-01-01'",
        "date": "{c} < '0001-01-01' OR {c} >= '10000-01-01'",
        "numeric": "{c} IN ('NaN', 'Infinity', '-Infinity')",
        "time": "{c} >= '24:00'",
    }.get(column.type)
    if odd:
        yield "odd", sql.SQL("bool_or(" + odd + ")::int::text").format(c=name)


def _measured(told: Mapping[str, str | None], rows: int) -> Measured:
    scale = told.get("scale")
    return Measured(
        rows - int(told.get("there") or 0),
        told.get("least"),
        told.get("greatest"),
        int(scale) if scale else None,
        told.get("odd") == "1",
    )


def of_sample(columns: Sequence[SourceColumn], sample: pl.DataFrame) -> Mapping[str, Measured]:
    """The same of a sample; least and greatest are left out, since they say nothing of the rest."""
    found = {}
    for place, column in enumerate(columns):
        texts = sample[str(place)].drop_nulls()
        scale = None
        if column.type == "numeric" and column.element is None and texts.len():
            after = texts.str.extract(r"\.(\d+)$").str.len_chars().max()
            scale = int(after) if isinstance(after, int) else 0
        pattern = {
            "numeric": "(?i)nan|infinity",
            "time": "^24:",
        }.get(column.type, "infinity| BC$|^[0-9]{5,}-" if column.type in MOMENTS else "")
        is_odd = bool(pattern) and column.element is None and texts.str.contains(pattern).any()
        found[column.name] = Measured(
            sample[str(place)].null_count(), None, None, scale, bool(is_odd)
        )
    return found
