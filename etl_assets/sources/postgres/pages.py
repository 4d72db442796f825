"""Where a page of rows ends: the statement that finds its last row, by rows and by bytes.

Which rows there are, and in which order, is `keyset.py`; what is read then is `changes.py`.
"""

from collections.abc import Sequence

from psycopg import sql

from etl_assets.sources.postgres.large_rows import carried, estimated_bytes, exact_bytes
from etl_assets.sources.postgres.select import TableSelects


def end_of_page(
    selects: TableSelects,
    where: sql.Composable,
    order: Sequence[sql.Composable],
    most_rows: int,
    most_bytes: int,
) -> sql.Composed:
    """The SELECT of (what the last row is ordered by as text[], whether no row follows it).

    It finds at most `most_rows` rows, and of more than one at most `most_bytes`. Where no row is
    large, bytes are as stored; else they are those of the text that is read.
    """
    names = [sql.Identifier(f"o{number}") for number in range(len(order))]
    large = selects.columns if selects.may_be_large else ()
    named = [sql.SQL("{} AS {}").format(*pair) for pair in zip(order, names, strict=True)]
    page = sql.SQL(
        "SELECT *, row_number() OVER w AS n, sum(size) OVER w AS bytes,"
        " lead(size) OVER w AS following FROM ("
        "  SELECT {named}, {size} AS size {relation} WHERE {where}"
        "  ORDER BY {by} LIMIT {limit}"
        " ) AS page WINDOW w AS (ORDER BY {names})"
    ).format(
        named=sql.SQL(", ").join([*named, *carried(large)]),
        size=estimated_bytes(large) if large else sql.SQL("pg_column_size(t.*)"),
        relation=selects.relation,
        where=where,
        by=sql.SQL(", ").join(order),
        limit=sql.Literal(most_rows + 1),
        names=sql.SQL(", ").join(names),
    )
    page = _within(page, "bytes", most_rows, most_bytes)
    if large:  # only the values of rows that are left are unpacked, to learn their sizes
        exact = sql.SQL("SELECT *, sum({}) OVER (ORDER BY n) AS held FROM ({}) AS page").format(
            exact_bytes(large, "size"), page
        )
        page = _within(exact, "held", most_rows, most_bytes)
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names)
    return sql.SQL(
        "SELECT ARRAY[{}], following IS NULL FROM ({}) AS page ORDER BY n DESC LIMIT 1"
    ).format(texts, page)


def _within(rows: sql.Composable, size: str, most_rows: int, most_bytes: int) -> sql.Composed:
    return sql.SQL("SELECT * FROM ({}) AS numbered WHERE n <= {} AND ({} <= {} OR n = 1)").format(
        rows, sql.Literal(most_rows), sql.Identifier(size), sql.Literal(most_bytes)
    )
