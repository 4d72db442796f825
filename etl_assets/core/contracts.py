"""Contracts: a Pandera model says what a layer's table must hold; all else follows from it.

Derived here: the columns with their dtypes, the key, the rules that rows are held to.
What a warehouse makes of a column (its DDL) belongs in `etl_assets/warehouse/`, what Dagster shows
of it in `etl_assets/orchestration/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

Unrepresentable = Literal["quarantine", "null"]
Ambiguous = Literal["raise", "earliest", "latest", "null"]


class Contract(pa.DataFrameModel):
    """The base of every contract: columns that are not declared are refused (hazard P3)."""

    class Config:
        strict = True
        ordered = False


def column(
    *,
    description: str,
    nullable: bool = False,
    max_null_ratio: float | None = None,
    unit: str | None = None,
    personal: bool = False,
    allow_nan: bool = False,
    logical: Literal["json"] | None = None,
    on_unrepresentable: Unrepresentable = "quarantine",
    source_zone: str | None = None,
    ambiguous: Ambiguous = "raise",
    trim: bool = False,
    **checks: Any,
) -> Any:
    """A contract's column; `checks` are Pandera's own (`ge`, `isin`, `str_matches`, …).

    `max_null_ratio` (0 to 1) bounds the share of nulls in a day of a nullable column.
    `unit` is of the value (`cents`, `kg`); `personal` masks it wherever it would be shown.
    `logical="json"` marks text that is JSON. `on_unrepresentable` is the policy for what no dtype
    holds (infinity, BC, NaN in a decimal). `source_zone` names the zone of the source's
    naive timestamps and `ambiguous` what to do in the hour that a clock change repeats (C17).
    `trim` cuts the padding of `char(n)`.
    """
    metadata = {
        "max_null_ratio": max_null_ratio,
        "unit": unit,
        "personal": personal,
        "allow_nan": allow_nan,
        "logical": logical,
        "on_unrepresentable": on_unrepresentable,
        "source_zone": source_zone,
        "ambiguous": ambiguous,
        "trim": trim,
    }
    return pa.Field(nullable=nullable, description=description, metadata=metadata, **checks)


@dataclass(frozen=True)
class Column:
    """One column as its contract declares it; `dtype` is a Polars dtype instance."""

    name: str
    dtype: pl.DataType
    nullable: bool
    description: str
    rules: tuple[str, ...] = ()
    max_null_ratio: float | None = None
    unit: str | None = None
    personal: bool = False
    allow_nan: bool = False
    logical: str | None = None
    on_unrepresentable: Unrepresentable = "quarantine"
    source_zone: str | None = None
    ambiguous: Ambiguous = "raise"
    trim: bool = False


@cache
def columns_of(contract: type[Contract]) -> tuple[Column, ...]:
    """The contract's columns, in its order."""
    return tuple(
        Column(
            name=name,
            # A series of it has the dtype as an instance, also where a class was declared.
            dtype=pl.Series(dtype=cast("Any", declared.dtype).type).dtype,
            nullable=declared.nullable,
            description=declared.description or "",
            rules=tuple(str(check.error or check.name) for check in declared.checks),
            **(declared.metadata or {}),
        )
        for name, declared in contract.to_schema().columns.items()
    )


@cache
def key_of(contract: type[Contract]) -> tuple[str, ...]:
    """The columns that identify a row: the contract's `Config.unique`."""
    unique = contract.to_schema().unique
    if not unique:
        raise TypeError(f"{contract.__name__} declares no key: give its Config `unique = [...]`.")
    return (unique,) if isinstance(unique, str) else tuple(unique)


@cache
def keyed_by(contract: type[Contract], key: tuple[str, ...]) -> type[Contract]:
    """The same contract with another key."""
    config = type("Config", (contract.Config,), {"unique": list(key)})
    return type(f"{contract.__name__}By{'And'.join(key)}", (contract,), {"Config": config})


@dataclass(frozen=True)
class Rule:
    """A Pandera check on one column, or on the whole frame where `column` is None."""

    column: str | None
    name: str
    check: pa.Check

    def kept(self, frame: pl.DataFrame) -> pl.Series:
        """True where a row keeps the rule; a check without a verdict by row fails all or none."""
        result = self.check(frame.lazy(), self.column)
        kept: pl.Series = result.check_output.collect().to_series()
        return kept if kept.len() == frame.height else kept.new_from_index(0, frame.height)


@cache
def rules_of(contract: type[Contract]) -> tuple[Rule, ...]:
    """What is demanded of the rows of a batch: Pandera's checks, and values where required.

    They run one by one on the data itself (P1): `DataFrameSchema.validate` does the same seven
    times slower on a small day. Its unique key is a matter of the whole day, not of a batch.
    NaN is told from null, and refused in floats unless the contract allows it (P3).
    """
    schema = contract.to_schema()
    rules: list[Rule] = []
    for declared in columns_of(contract):
        if not declared.nullable:
            rules.append(Rule(declared.name, "not_null", _IS_THERE))
        if declared.dtype.is_float() and not declared.allow_nan:
            rules.append(Rule(declared.name, "not_nan", _IS_A_NUMBER))
        rules += [
            Rule(declared.name, str(check.error or check.name), check)
            for check in schema.columns[declared.name].checks
        ]
    return (*rules, *(Rule(None, str(check.error or check.name), check) for check in schema.checks))


def polars_schema(columns: Sequence[Column]) -> pl.Schema:
    """Names and dtypes, as Polars wants them."""
    return pl.Schema({declared.name: declared.dtype for declared in columns})


def struct_fields(dtype: pl.Struct) -> dict[str, pl.DataType]:
    """A struct's fields by name."""
    return {f.name: pl.Series(dtype=f.dtype).dtype for f in dtype.fields}


def _is_a_number(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_nan())


def _is_there(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_null())


_IS_A_NUMBER = pa.Check(_is_a_number, name="not_nan")
_IS_THERE = pa.Check(_is_there, name="not_null", ignore_na=False)
