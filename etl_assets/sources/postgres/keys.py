"""Rows found by their keys, and keys that stand in more than one row; NULL is equal to NULL.

Equal is what the contract takes for equal: texts are compared byte by byte, whatever the type and
the collation of the source column are. The order of (cursor, key) is `keyset.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead

KEYS_A_STATEMENT = 10_000

# Types whose values are equal only where their texts are.
_SAME_AS_TEXT = {
    *("text", "varchar", "name", "uuid", "bool", "int2", "int4", "int8", "oid"),
    *("date", "timestamp", "timestamptz", "time", "inet", "cidr", "macaddr", "macaddr8"),
}


@dataclass(frozen=True)
class KeyPart:
    """A column of the key in SQL.

    `plain` is the column itself, `cast_to` the type that a text of it is cast to. `loaded` is NULL
    exactly where the contract has NULL. `text` is the text that is loaded, where values that the
    source takes for equal can differ in it, else None: 1.0 and 1.00, a collation without case.
    """

    plain: str
    cast_to: str
    nullable: bool
    loaded: str
    text: str | None = None


Found = Mapping[str, tuple[Column, SourceColumn, str]]


def key_parts(
    key: Sequence[str], found: Found, reads: Mapping[str, ColumnRead]
) -> tuple[KeyPart, ...]:
    """The parts of a key; `found` are the columns as declared, in the catalogue, and quoted."""
    return tuple(_part(*found[name], reads[name]) for name in key)


def _part(declared: Column, source: SourceColumn, plain: str, read: ColumnRead) -> KeyPart:
    becomes_null = declared.on_unrepresentable == "null" or (
        declared.source_zone is not None and declared.ambiguous == "null"
    )
    is_text = isinstance(declared.dtype, pl.String)
    is_same = source.type in _SAME_AS_TEXT and source.is_exact
    return KeyPart(
        plain=plain,
        cast_to=source.cast_to,
        nullable=becomes_null or not source.not_null,
        loaded=read.loaded if becomes_null else plain,
        text=read.select if is_text and not is_same else None,
    )


def among(parts: Sequence[KeyPart], keys: pl.DataFrame) -> list[sql.Composed]:
    """Predicates for the rows with one of these keys, which are texts; no row meets two of them.

    Keys without NULL are one predicate for each KEYS_A_STATEMENT of them, which an index can serve;
    those with NULL in the same parts likewise.
    """
    predicates = []
    patterns = [pl.col(name).is_null().alias(f"n{n}") for n, name in enumerate(keys.columns)]
    for missing, group in keys.unique().group_by(*patterns, maintain_order=True):
        if any(gone and not part.nullable for gone, part in zip(missing, parts, strict=True)):
            continue
        for chunk in group.iter_slices(KEYS_A_STATEMENT):
            there = [
                (part, texts)
                for part, gone, texts in zip(parts, missing, chunk.get_columns(), strict=True)
                if not gone
            ]
            tests = _present([part for part, _ in there], [texts for _, texts in there])
            tests += [
                sql.SQL(f"({part.loaded}) IS NULL")
                for part, gone in zip(parts, missing, strict=True)
                if gone
            ]
            predicates.append(sql.SQL(" AND ").join(tests))
    return predicates


def _present(parts: Sequence[KeyPart], keys: Sequence[pl.Series]) -> list[sql.Composable]:
    """That these parts have the values of one of the keys."""
    if not parts:
        return []
    names = [sql.Identifier(f"k{number}") for number in range(len(parts))]
    arrays = [sql.SQL("{}::text[]").format(sql.Literal(texts.to_list())) for texts in keys]
    wanted = sql.SQL("FROM unnest({}) AS wanted({})").format(_listed(arrays), _listed(names))
    casts = [
        sql.SQL("{}::{}").format(name, sql.SQL(part.cast_to))
        for name, part in zip(names, parts, strict=True)
    ]
    found = sql.SQL("({}) IN (SELECT {} {})")
    plain = [sql.SQL(part.plain) for part in parts]
    tests: list[sql.Composable] = [found.format(_listed(plain), _listed(casts), wanted)]
    if any(part.text for part in parts):  # which no index can serve: it comes on top of the other
        exact = [
            sql.SQL(f'({part.text}) COLLATE "C"') if part.text else sql.SQL(part.plain)
            for part in parts
        ]
        texts = [
            name if part.text else cast
            for name, cast, part in zip(names, casts, parts, strict=True)
        ]
        tests.append(found.format(_listed(exact), _listed(texts), wanted))
    return tests


def is_distinct(
    column: ColumnRead, dtype: pl.DataType, relation: sql.Composable, where: sql.Composable
) -> sql.Composed:
    """The SELECT of whether no two rows of a predicate have the same key, which is one column.

    It sorts, in half the time in which `repeated` groups as many keys as there are rows.
    """
    return sql.SQL(
        "SELECT count(key) = count(DISTINCT key) AND count(*) - count(key) < 2 "
        "FROM (SELECT {} AS key {} WHERE {}) AS keys"
    ).format(_key_part(column, dtype), relation, where)


def repeated(
    columns: Sequence[ColumnRead],
    dtypes: Sequence[pl.DataType],
    relation: sql.Composable,
    where: sql.Composable,
) -> sql.Composed:
    """The SELECT of keys that more than one row of a predicate has; `columns` are the key's."""
    names = [sql.Identifier(column.name) for column in columns]
    selects = [
        sql.SQL("{} AS {}").format(_key_part(column, dtype), name)
        for column, dtype, name in zip(columns, dtypes, names, strict=True)
    ]
    return sql.SQL(
        "SELECT {names} FROM (SELECT {selects} {relation} WHERE {where}) AS keys "
        "GROUP BY {names} HAVING count(*) > 1"
    ).format(names=_listed(names), selects=_listed(selects), relation=relation, where=where)


def _key_part(column: ColumnRead, dtype: pl.DataType) -> sql.SQL:
    """The column as it is loaded, which the source compares byte by byte."""
    if isinstance(dtype, pl.String | pl.List):
        return sql.SQL(f'({column.select}) COLLATE "C"')
    return sql.SQL(column.select)


def _listed(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
