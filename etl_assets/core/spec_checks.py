"""What is wrong with a spec, found when it is made: fields that do not fit its contract. Pure.

Whether the source has the table and its columns is asked by `etl-assets doctor`; how tables fit
together is checked in `core/catalog.py`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import polars as pl

from etl_assets.core.checks import (
    ARRIVED,
    CHECKS,
    FILE_CHECKS,
    PROMOTED_FIELDS,
    SOURCE_CHECKS,
    Severity,
)
from etl_assets.core.contracts import Column, Contract, columns_of, key_of
from etl_assets.core.cursor_checks import cursor_faults
from etl_assets.core.due_days import wrong_with
from etl_assets.core.faults import Fault
from etl_assets.core.file_day_checks import day_faults
from etl_assets.core.file_formats import Compression
from etl_assets.core.http_spec_checks import http_faults
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.keeping_checks import keeping_faults, policy_faults
from etl_assets.core.name_checks import ignore_faults, name_faults, source_name_faults
from etl_assets.core.policies import Deletes, Drift, Thresholds
from etl_assets.core.postgres_spec_checks import is_zone, postgres_faults, zone_advice
from etl_assets.core.promoted import promotion_faults
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.table import LayerTable
from etl_assets.core.transform_checks import transform_faults

_NAME = re.compile("[A-Za-z0-9_]+")
_TAG = re.compile("[A-Za-z0-9_.-]{1,63}")  # as Dagster has the values of tags
_CONNECTION = re.compile("[a-z][a-z0-9_]*")


def table_faults(table: LayerTable, *, contract: str, transform: str) -> Iterator[Fault]:
    """What is wrong with one layer table; the names of its fields in the spec are given."""
    if not _NAME.fullmatch(str(table.name)):
        yield Fault(
            "name",
            f"{table.name!r} cannot be the name of a table.",
            "Write letters, digits and underscores only.",
        )
    if not _TAG.fullmatch(str(table.domain)):
        yield Fault(
            "domain",
            f"{table.domain!r} cannot be the tag of an asset.",
            "Write letters, digits and _.- only, 63 at most.",
        )
    yield from _threshold_faults(table.thresholds)
    faults = list(_contract_faults(table.contract, contract))
    yield from faults
    if not faults:
        yield from _zone_faults(table)
        yield from _column_faults(table)
        yield from promotion_faults(table, contract, transform)
        if table.source is not None:
            yield from source_name_faults(table, table.source)
    if table.source is not None:
        yield from _source_faults(table)
        if table.expects is not None:
            found = wrong_with(table.expects, has_days=table.has_days)
            yield from (Fault("expects", what, write) for what, write in found)
    elif table.dimension is None:
        yield from transform_faults(table, transform)


def two_layer_faults(raw: LayerTable, staged: LayerTable) -> list[Fault]:
    """A key column that may be NULL in one layer only: each NULL would be lost on the way."""
    return [
        Fault(
            "staged",
            f"the key column {name!r} may be NULL in {_shown(raw if nullable else staged)} "
            f"and not in {_shown(staged if nullable else raw)}.",
            "Declare it nullable in both contracts, or in none.",
        )
        for name in raw.key
        if name in staged.key
        for nullable in [raw.column(name).nullable]
        if nullable is not staged.column(name).nullable
    ]


def has_column(contract: type[Contract], name: str | None) -> bool:
    """Whether the contract declares the column; False for what is no contract."""
    return any(column.name == name for column in _columns(contract) or ())


def _threshold_faults(thresholds: Thresholds) -> Iterator[Fault]:
    """Numbers that no audit could compare with, and severities of checks that nobody has."""
    shares = ("max_bad_share", "min_share_of_last", "max_deleted_share")
    for name in shares:
        if not _is_number(getattr(thresholds, name), 0, 1):
            yield Fault("thresholds", f"{name} is a share.", "Write a number from 0 to 1.")
    if not _is_number(thresholds.max_change, 1):
        yield Fault("thresholds", "max_change is a factor.", "Write a number from 1 on.")
    if not isinstance(thresholds.history_days, int) or thresholds.history_days < 0:
        yield Fault("thresholds", "history_days counts days.", "Write a whole number from 0 on.")
    names = [
        check.name for check in (*CHECKS, *SOURCE_CHECKS, *FILE_CHECKS, PROMOTED_FIELDS, ARRIVED)
    ]
    for name, severity in thresholds.severities.items():
        # The text "error" is equal to Severity.ERROR and is not it: a failed check would only warn.
        if name not in names or not isinstance(severity, Severity):
            yield Fault(
                "thresholds",
                f"severities has {name!r}: {str(severity)!r}.",
                f"Name a check ({', '.join(dict.fromkeys(names))}) and Severity.ERROR or WARN.",
            )


def _is_number(value: object, least: float, most: float = float("inf")) -> bool:
    return isinstance(value, int | float) and least <= value <= most


def _contract_faults(contract: object, field: str) -> Iterator[Fault]:
    if not (isinstance(contract, type) and issubclass(contract, Contract)):
        yield Fault(field, "this is no contract.", "Write a class that inherits from Contract.")
        return
    name, columns = contract.__name__, _columns(contract)
    if columns is None:
        yield Fault(
            field,
            f"the contract {name} cannot be read ({_reason(contract)}).",
            "Declare each column as `name: dtype = column(description=...)`.",
        )
        return
    names = [column.name for column in columns]
    try:
        key: tuple[str, ...] = key_of(contract)
    except TypeError:
        yield Fault(field, f"{name} declares no key.", 'Write `unique = ["id"]` in its Config.')
        return
    for part in key:
        if part not in names:
            yield Fault(
                field,
                f"{name}.Config.unique names {part!r}, which is no column of it.",
                _one_of(names),
            )
    yield from name_faults(contract, names, field)


def _column_faults(table: LayerTable) -> Iterator[Fault]:
    columns = {column.name: column for column in table.columns}
    day, overflow = table.partition_column, table.overflow_column
    if day is not None:
        if day not in columns:
            without = f"{_one_of(_of_days(columns.values()))} Or None for a table without days."
            yield Fault("partition_column", _missing(day, table), without)
        elif not isinstance(columns[day].dtype, pl.Date | pl.Datetime):
            yield Fault(
                "partition_column",
                f"{day!r} of {_shown(table)} is {columns[day].dtype}, which has no days.",
                "Name a column of dates or timestamps, or None for a table without days.",
            )
    yield from cursor_faults(table)
    if table.source is not None:
        yield from policy_faults("drift", table.drift, Drift)
        yield from _overflow_faults(table, columns.get(overflow or ""))
        yield from ignore_faults(table)
        yield from keeping_faults(table)


def _zone_faults(table: LayerTable) -> Iterator[Fault]:
    for column in table.columns:
        if column.source_zone is not None and not is_zone(column.source_zone):
            yield Fault(
                "raw" if table.source else "staged",
                f"the source_zone {column.source_zone!r} of {_shown(table)}.{column.name} is not "
                "known.",
                zone_advice(column.source_zone),
            )


def _overflow_faults(table: LayerTable, column: Column | None) -> Iterator[Fault]:
    name = table.overflow_column
    if name is None:
        if table.drift is Drift.EVOLVE:
            yield Fault(
                "drift",
                "EVOLVE keeps new columns in an overflow column, and none is named.",
                "Name the contract's JSON column as overflow_column.",
            )
    elif column is None:
        yield Fault(
            "overflow_column",
            _missing(name, table),
            f'Declare `{name}: pl.String = column(nullable=True, logical="json", ...)` there.',
        )
    elif column.dtype != pl.String or not column.nullable or column.logical != "json":
        yield Fault(
            "overflow_column",
            f"{name!r} of {_shown(table)} cannot take new columns.",
            'Declare it as pl.String with nullable=True and logical="json".',
        )


def _source_faults(table: LayerTable) -> Iterator[Fault]:
    source = table.source
    assert source is not None  # noqa: S101 - the caller asked
    if not _CONNECTION.fullmatch(source.connection):
        yield Fault(
            "source",
            f"connection {source.connection!r} cannot be part of a variable's name.",
            'Write it in lower case, for example "billing" for DATABASE_URL_BILLING.',
        )
    for kind, faults in _OF_KIND.items():
        if isinstance(source, kind):
            yield from faults(table, source)


def _files_faults(table: LayerTable, source: Files) -> Iterator[Fault]:
    if table.cursor_column is not None:
        yield Fault(
            "cursor_column",
            "files have no cursor: a day is loaded again when its objects change.",
            "Write cursor_column=None.",
        )
    yield from day_faults(table, source)
    packed: object = source.compression  # a text that looks like one of them is none
    if packed is not None and not isinstance(packed, Compression):
        yield Fault(
            "source",
            f"compression: {packed!r} is a {type(packed).__name__}.",
            "Write Compression.GZIP, Compression.ZSTD or Compression.NONE of "
            "etl_assets.core.file_formats, or leave it out: then the key's suffix says it.",
        )
    if source.complete is not None and not table.has_days and source.keys.has_day:
        yield Fault(
            "source",
            "complete: a table without days is loaded whole, and has no marker for each day.",
            "Leave complete out, or write a pattern without a day.",
        )
    if table.deletes is Deletes.TOMBSTONE:
        yield Fault(
            "deletes",
            "TOMBSTONE keeps deleted rows by their keys, and those of files have no such thing.",
            "Write Deletes.REMOVE or Deletes.KEEP.",
        )
    kinds: dict[str, tuple[str | None, type[pl.DataType]]] = {
        "day_column": (source.day_column, pl.Date),
        "file_column": (source.file_column, pl.String),
        "line_column": (source.line_column, pl.Int64),
    }
    for field, (name, dtype) in kinds.items():
        if name is None:
            continue
        if not has_column(table.contract, name):
            yield Fault("source", f"{field}: {_missing(name, table)}", "Name one of its columns.")
        elif table.column(name).dtype != dtype:
            yield Fault(
                "source",
                f"{field}: {name!r} of {_shown(table)} is {table.column(name).dtype}.",
                f"Declare it as pl.{dtype.__name__}.",
            )


_OF_KIND: Mapping[type[SourceSpec], Callable[[LayerTable, Any], Iterator[Fault]]] = {
    Files: _files_faults,
    HttpApi: http_faults,
    PostgresTable: lambda table, source: postgres_faults(table, source, _columns(table.contract)),
}
"""What else can be wrong with a kind of source."""


def _columns(contract: object) -> tuple[Column, ...] | None:
    """The columns of what should be a contract, None where Pandera makes nothing of it."""
    try:
        return columns_of(cast("type[Contract]", contract))
    except Exception:  # Pandera raises what it likes; `_reason` says what
        return None


def _reason(contract: type[Contract]) -> str:
    try:
        columns_of(contract)
    except Exception as error:
        return f"{type(error).__name__}, {str(error).splitlines()[0] if str(error) else ''}".strip()
    return ""


def _of_days(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns if isinstance(column.dtype, pl.Date | pl.Datetime)]


def _one_of(names: Sequence[str]) -> str:
    return f"Write one of its columns: {', '.join(names)}." if names else "It has none that fits."


def _missing(name: str, table: LayerTable) -> str:
    return f"{_shown(table)} has no column {name!r}."


def _shown(table: LayerTable) -> str:
    return table.contract.__name__
