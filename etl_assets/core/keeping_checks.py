"""What is wrong with what a spec says of rows that its source no longer has. Pure.

What is checked of every spec is `spec_checks.py`.
"""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from etl_assets.core.faults import Fault
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.policies import Deletes, Drift
from etl_assets.core.table import LayerTable

_DECLARED = 'Annotated[pl.Datetime, "us", "UTC"] = column(nullable=True, description="...")'


def keeping_faults(table: LayerTable) -> Iterator[Fault]:
    """What does not fit of `deletes`, `keep_before` and `kept_column`."""
    if no_policy := list(policy_faults("deletes", table.deletes, Deletes)):
        yield from no_policy
        return
    yield from _closing_faults(table)
    name = table.kept_column
    if name is None:
        return
    if table.deletes is not Deletes.KEEP:
        yield Fault(
            "kept_column",
            f"it marks rows that stay, and with Deletes.{table.deletes.name} none does.",
            "Write deletes=Deletes.KEEP, or leave kept_column out.",
        )
    elif table.is_of_files:
        yield Fault(
            "kept_column",
            "of files it is objects that are kept, not rows, and etl-assets files list shows them.",
            "Leave kept_column out.",
        )
    else:
        yield from _mark_faults(table, name)


def policy_faults(
    field: str, given: object, policy: type[Deletes] | type[Drift]
) -> Iterator[Fault]:
    """What does not fit of a field that takes one of the policy's members.

    The text "keep" is equal to Deletes.KEEP and is not it: what asks with `is` would remove rows.
    """
    if not isinstance(given, policy):
        members = ", ".join(f"{policy.__name__}.{member.name}" for member in policy)
        yield Fault(
            field,
            f"{given!r} is no {policy.__name__}.",
            f"Write one of {members} (from etl_assets.core.policies).",
        )


def _closing_faults(table: LayerTable) -> Iterator[Fault]:
    before = table.keep_before
    if before is None:
        return
    if table.deletes is not Deletes.KEEP:
        yield Fault(
            "keep_before",
            f"it says which rows stay, and with Deletes.{table.deletes.name} none does.",
            "Write deletes=Deletes.KEEP, or leave keep_before out.",
        )
    elif table.is_of_files:
        yield Fault(
            "keep_before",
            "of files it is objects that are kept, however old their day is.",
            "Leave keep_before out.",
        )
    elif not table.has_days:
        yield Fault(
            "keep_before",
            "it closes days, and the table has none.",
            "Name a partition_column, or leave keep_before out.",
        )
    if not isinstance(before, timedelta) or before < ONE_DAY:
        yield Fault(
            "keep_before",
            f"{before!r} is no age of days.",
            "Write a timedelta of a day or more, for example timedelta(days=90).",
        )


def _mark_faults(table: LayerTable, name: str) -> Iterator[Fault]:
    column = next((one for one in table.columns if one.name == name), None)
    contract = table.contract.__name__
    if column is None:
        yield Fault(
            "kept_column",
            f"{contract} has no column {name!r}.",
            f"Declare `{name}: {_DECLARED}` there.",
        )
        return
    if column.dtype != pl.Datetime("us", "UTC") or not column.nullable or column.source_zone:
        yield Fault(
            "kept_column",
            f"{name!r} of {contract} cannot hold since when the source has no such row.",
            f"Declare it as `{name}: {_DECLARED}`.",
        )
    used = {
        "the key": name in table.key,
        "the partition_column": name == table.partition_column,
        "the cursor_column": name == table.cursor_column,
        "the overflow_column": name == table.overflow_column,
        "computed or read from the parent": table.source is not None
        and name in table.source.borrowed,
    }
    for what in (what for what, is_used in used.items() if is_used):
        yield Fault(
            "kept_column",
            f"{name!r} is {what} as well, which the source has, and it has no such mark.",
            "Declare a column of its own that the source does not have.",
        )
