"""Names of columns that no warehouse of ours can hold, or that a source cannot be asked for. Pure.

What only one warehouse cannot hold is `warehouse/names.py`. The other faults of a spec are
`spec_checks.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import Contract
from etl_assets.core.faults import Fault
from etl_assets.core.frames import OWN
from etl_assets.core.source_specs import PostgresTable, SourceSpec
from etl_assets.core.table import LayerTable


def name_faults(contract: type[Contract], names: Sequence[str], field: str) -> Iterator[Fault]:
    """Names that the platform needs for itself, and those that differ by case alone."""
    for name in names:
        why = _why_not(name)
        if why:
            yield Fault(
                field,
                f"{contract.__name__} has a column {name!r}, {why}.",
                f"Give it another name; of a table of a database with "
                f"column(source_name={name!r}, ...), which says what it is called there.",
            )
    twice = Counter(name.lower() for name in names)
    for lower in (lower for lower, times in twice.items() if times > 1):
        same = [name for name in names if name.lower() == lower]
        yield Fault(
            field,
            f"the columns {' and '.join(map(repr, same))} of {contract.__name__} differ by case "
            "alone, which warehouses do not tell apart.",
            "Give one of them another name; of a table of a database with "
            f"column(source_name={same[-1]!r}, ...), which says what it is called there.",
        )


def _why_not(name: str) -> str:
    if name.lower() in AUDIT_COLUMNS:
        return "which the platform itself adds"
    if OWN.fullmatch(name.lower()):
        return "which the platform gives to a column of its own"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "which Polars takes for a pattern of several names"
    if "\0" in name:
        return "with a zero character"
    return ""


def source_name_faults(table: LayerTable, source: SourceSpec) -> Iterator[Fault]:
    """A `source_name` of a column that is not read by that name."""
    for column in table.columns:
        if column.source_name is None:
            continue
        wrong = f"{column.name!r} of {table.contract.__name__} has source_name={column.in_source!r}"
        if not isinstance(source, PostgresTable):
            yield Fault(
                "raw",
                f"{wrong}, which is for columns of a database table.",
                "Take it out; the name of a column of a file or an API is its alias.",
            )
        elif column.name not in table.source_columns:
            yield Fault(
                "raw",
                f"{wrong}, and it is filled from elsewhere, not from a column of the table itself.",
                "Take it out; what a parent's column is called there says Parent.columns.",
            )


def ignore_faults(table: LayerTable) -> Iterator[Fault]:
    """Columns that are ignored, and cannot be."""
    shown = table.contract.__name__
    if not all(isinstance(name, str) for name in table.ignore):
        yield Fault("ignore", "it has what is no name.", "Write names of source columns.")
        return
    read = sorted(set(table.ignore) & set(table.source_columns.values()))
    if read:
        yield Fault(
            "ignore",
            f"it names {', '.join(map(repr, read))}, which {shown} reads from the source.",
            "Take it out of ignore, or out of the contract.",
        )
    if table.ignore and table.overflow_column and not isinstance(table.source, PostgresTable):
        yield Fault(
            "ignore",
            f"{table.overflow_column!r} keeps every column that {shown} does not have.",
            "Leave one of the two out: they go together for tables of a database only.",
        )
