"""A table's cursor in SQL that all warehouses understand.

What a cursor is stands in `core/cursor.py`; what a source makes of it is in `sources/`.
"""

from collections.abc import Callable, Sequence

from etl_assets.core.cursor import CursorKind
from etl_assets.core.table import LayerTable

Quote = Callable[[str], str]
"""The name of a column as it stands in SQL: quoted, with the alias of its row."""


def cursor_value(table: LayerTable, quoted: Quote) -> str | None:
    """The cursor of a row, NULL where all of its columns are; None where the table has none.

    On BigQuery one argument that is NULL makes GREATEST NULL: no argument is, unless all are.
    """
    columns = _columns(table, quoted)
    if len(columns) < 2:
        return columns[0] if columns else None
    turned = [[*columns[n:], *columns[:n]] for n in range(len(columns))]
    present = [f"COALESCE({', '.join(turn)})" for turn in turned]
    return f"GREATEST({', '.join(present)})"


def has_cursor(table: LayerTable, quoted: Quote) -> str:
    """That a row has a cursor; true of no row where the table has none."""
    present = " OR ".join(f"{name} IS NOT NULL" for name in _columns(table, quoted))
    return f"({present})" if present else "FALSE"


def newest_moment(table: LayerTable, quoted: Quote) -> str:
    """The greatest cursor of a group of rows where that is a moment or a date, else NULL."""
    cursor, value = table.cursor, cursor_value(table, quoted)
    told = cursor is not None and cursor.kind in {CursorKind.MOMENT, CursorKind.DAY}
    return f"MAX({value})" if told else "NULL"


def all_null(columns: Sequence[str], quoted: Quote) -> str:
    """That a row has NULL in all of the columns."""
    return " AND ".join(f"{quoted(name)} IS NULL" for name in columns)


def _columns(table: LayerTable, quoted: Quote) -> list[str]:
    return [quoted(name) for name in table.cursor.columns] if table.cursor else []
