"""Columns that the contract does not have and that are met only while rows are read: in files and
in items of an API.
"""

from collections.abc import Mapping
from datetime import date

from etl_assets.core.drift import DriftReport, SourceColumns, compare
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.policies import Drift
from etl_assets.core.table import LayerTable


def with_extra(
    table: LayerTable,
    columns: SourceColumns,
    extra: Mapping[str, str],
    report: DriftReport | None,
    day: date,
    *,
    of: str,
) -> DriftReport:
    """The report with the `extra` columns, shown as the mapping says it.

    `of` is what has them ("Files"). Raises ContractMismatch where the table's policy is to freeze
    its columns.
    """
    if not extra:
        return report or DriftReport((), ())
    if table.drift is Drift.FREEZE:
        raise ContractMismatch(
            f"{of} of {table.path} {day} have columns that its contract does not have "
            f"({', '.join(extra)}), and its policy is to freeze them.",
            f"Nothing was published of the day. Declare them in {table.declared_in}, or choose "
            "another policy for drift there.",
        )
    return compare(table, (*columns, *extra.items()), None)
