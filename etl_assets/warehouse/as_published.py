"""Published rows by a contract that has changed since: columns that are not there yet are NULL.

A load adds the columns that a contract gained; what only reads (`seen.py`, `diff`) must do without.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.check_names import custom_checks, is_about
from etl_assets.core.contracts import Contract, config_of, declared_columns, polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.frames import ROWS
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse


def read(
    warehouse: Warehouse, table: LayerTable, windows: Sequence[Window], folder: Path
) -> Extract:
    """See `Rows.read`; raises WarehouseError for columns that have another type."""
    found = warehouse.read(there(warehouse, table), windows, folder)
    return Extract([_in_contract(table, frame) for frame in found.frames], found.as_of)


def lookup(warehouse: Warehouse, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
    """See `Rows.lookup`."""
    return _in_contract(table, warehouse.lookup(there(warehouse, table), keys, folder))


def profile(
    warehouse: Warehouse,
    table: LayerTable,
    days: Collection[date],
    among: Collection[str] | None,
) -> pl.DataFrame:
    """See `Rows.profile`; of a column that is not there every row counts as NULL."""
    narrow = there(warehouse, table)
    missing = {c.name for c in table.columns} - {c.name for c in narrow.columns}
    if not missing:
        return warehouse.profile(table, days, among)
    known = None if among is None else [name for name in among if name not in missing]
    found = warehouse.profile(narrow, days, known)
    nulls = [
        column.name
        for column in table.columns
        if column.name in missing and (column.nullable if among is None else column.name in among)
    ]
    return found.with_columns(pl.col(ROWS).alias(name) for name in nulls)


def there(warehouse: Warehouse, table: LayerTable) -> LayerTable:
    """The table with the columns that are published of it.

    Raises WarehouseError where these cannot be read as the contract has them.
    """
    fit = warehouse.fit(table)
    if fit is None or not (fit.added or fit.retyped):
        return table
    other = {
        *fit.retyped,
        *(set(fit.added) & {*table.key, *filter(None, [table.partition_column])}),
    }
    if other:
        raise WarehouseError(
            f"{table.path} is published with other columns than the contract at hand has "
            f"({', '.join(sorted(other))}: another type, or new in the key or the day).",
            f"etl-assets plan {table.path} says what to do; in an environment, load the days that "
            f"are needed: etl-assets backfill {table.path} --from <day> --to <day>.",
        )
    return without_columns(table, frozenset(fit.added))


@cache
def without_columns(table: LayerTable, names: frozenset[str]) -> LayerTable:
    """The same table without some columns, with the checks of the others.

    Checks of whole rows, which may look at any column, are left out.
    """
    kept = {a: one for a, one in declared_columns(table.contract).items() if one.name not in names}
    dtypes = {column.name: column.dtype for column in table.columns}
    body: dict[str, Any] = {
        attribute: replace(one, alias=one.name) for attribute, one in kept.items()
    }
    left = [one.name for one in kept.values()]
    for number, check in enumerate(custom_checks(table.contract, of_columns=True)):
        if any(is_about(check, name) for name in left):
            body[f"check_{number}"] = _method_of(table.contract, check)
    body["__annotations__"] = {attribute: dtypes[one.name] for attribute, one in kept.items()}
    body["__module__"] = table.contract.__module__
    strict = config_of(table.contract).get("strict", True)
    body["Config"] = type(
        "Config", (Contract.Config,), {"unique": list(table.key), "strict": strict}
    )
    contract: type[Contract] = type(table.contract.__name__, (Contract,), body)
    cursor = table.cursor
    has_cursor = cursor is not None and not names & {*cursor.columns}
    return replace(
        table,
        contract=contract,
        cursor_column=table.cursor_column if has_cursor else None,
        kept_column=None if table.kept_column in names else table.kept_column,
        overflow_column=None if table.overflow_column in names else table.overflow_column,
        versions=None,
    )


def _method_of(contract: type[Contract], check: Any) -> Any:
    """The method that a check was made of, to be put into another contract."""
    for owner in contract.__mro__[:-1]:
        for method in vars(owner).values():
            if check in vars(getattr(method, "__func__", method)).values():
                return method
    raise TypeError(f"{contract.__name__} has no method of {check}.")


def _in_contract(table: LayerTable, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with NULL in the columns that they lack, in the contract's order."""
    schema, names = polars_schema(table.columns), rows.collect_schema().names()
    if names == list(schema):
        return rows
    nulls = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in names]
    return rows.with_columns(nulls).select(list(schema))
