"""For the tests of a project: its tables, and what they make of rows, without any database.

Loads, syncs and publication are the platform's own tests' matter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from etl_assets.config import read_settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, columns_of, polars_schema
from etl_assets.core.errors import SpecError
from etl_assets.core.rules import rules_of
from etl_assets.table_modules import tables_from

_ANY_DAY = date(2024, 1, 1)


@dataclass(frozen=True)
class Checked:
    """Rows that keep every rule of a contract, and how many broke each rule (`column: rule`)."""

    good: pl.DataFrame
    broken: Mapping[str, int]


def project_tables() -> Catalog:
    """The tables of the project around the working directory; SpecError if one of them is wrong."""
    catalog = tables_from(read_settings().tables)
    if catalog.errors:
        raise SpecError(" ".join(catalog.errors), "")
    return catalog


def rows_of(contract: type[Contract], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame in the contract's columns and dtypes; a column that a row lacks is null.

    Raises SpecError for a column that the contract does not have.
    """
    columns = columns_of(contract)
    schema = polars_schema(columns)
    unknown = sorted({name for row in rows for name in row} - set(schema))
    if unknown:
        raise SpecError(
            f"{contract.__name__} has no column {', '.join(unknown)}.",
            f"Write some of {', '.join(schema)}.",
        )
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def checked(contract: type[Contract], frame: pl.DataFrame) -> Checked:
    """The rows of a frame, checked by a contract as a load checks them.

    Whether keys repeat and how many nulls a day has are matters of a whole day, and not asked here.
    """
    broken: Counter[str] = Counter()
    good = pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)
    for rule in rules_of(contract):
        kept = rule.kept(frame).fill_null(value=True)
        if not kept.all():
            broken[f"{rule.column or 'row'}: {rule.name}"] += int((~kept).sum())
            good &= kept
    return Checked(frame.filter(good), dict(broken))


def wrong_columns(catalog: Catalog, path: str) -> list[str]:
    """How the columns that a table's transform makes differ from its contract's, a sentence each.

    The transform is tried on inputs without rows; a table that is read from a source has none.
    """
    table = catalog.table(path)
    if table.transform is None:
        return []
    nothing = {
        name: pl.LazyFrame(schema=polars_schema(above.columns))
        for name, above in catalog.inputs_of(table).items()
    }
    day = {"day": _ANY_DAY} if table.transform_takes_day else {}
    made = table.transform(**nothing, **day).collect_schema()
    declared = polars_schema(table.columns)
    return [
        *(f"{path} lacks the column {name}." for name in declared if name not in made),
        *(f"{path} has {name}, which is not declared." for name in made if name not in declared),
        *(
            f"{path}: {name} is {made[name]}, and declared as {dtype}."
            for name, dtype in declared.items()
            if name in made and made[name] != dtype
        ),
    ]
