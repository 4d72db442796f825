"""The data dictionary, derived from the contracts: what every column of every table means."""

from collections.abc import Iterable

from etl_assets.core.contracts import Column
from etl_assets.core.table import LayerTable


def data_dictionary(tables: Iterable[LayerTable]) -> str:
    """Markdown, a section a table."""
    head = (
        "# Data dictionary\n\n"
        "Made from the contracts of the tables by `etl-assets dictionary`; "
        "do not edit it by hand.\n"
    )
    return "\n".join([head, *(_section(table) for table in tables)])


def dictionary_rows(tables: Iterable[LayerTable]) -> list[dict[str, object]]:
    """The same for machines: one object for each column of each table."""
    return [
        {
            "table": table.path,
            "column": column.name,
            "dtype": str(column.dtype),
            "is_key": column.name in table.key,
            "nullable": column.nullable,
            "max_null_ratio": column.max_null_ratio,
            "unit": column.unit or None,
            "is_personal": bool(column.personal),
            "description": column.description,
            "rules": [str(rule) for rule in column.rules],
        }
        for table in tables
        for column in table.columns
    ]


def _section(table: LayerTable) -> str:
    days = (
        f"A partition is a UTC day of `{table.partition_column}`."
        if table.has_days
        else "It has no days: it is replaced as a whole."
    )
    lines = [
        f"## {table.path}\n",
        f"{table.description} Key: {', '.join(f'`{name}`' for name in table.key)}. {days}\n",
        "| column | dtype | null | what it is | rules |",
        "| --- | --- | --- | --- | --- |",
        *(_row(column) for column in table.columns),
    ]
    return "\n".join(lines) + "\n"


def _row(column: Column) -> str:
    marks = [f" Unit: {column.unit}." if column.unit else "", " Personal." * column.personal]
    bound = column.max_null_ratio
    allowed = "no" if not column.nullable else "yes" if bound is None else f"up to {bound:.0%}"
    rules = ", ".join(f"`{rule}`" for rule in column.rules).replace("|", "\\|")
    return (
        f"| `{column.name}` | {column.dtype} | {allowed} "
        f"| {column.description}{''.join(marks)} | {rules} |"
    )
