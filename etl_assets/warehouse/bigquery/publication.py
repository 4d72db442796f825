"""The scripts that publish: one multi-statement transaction for rows, quarantine and state.

Text only; `warehouse.py` runs it. Two transactions that change one table at once cannot both
commit, and each changes its row of `etl_modifications`: a DELETE that meets no rows may be no
change, so that two first loads of a day could both insert (hazard L3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from etl_assets.core.partitions import windows_of
from etl_assets.core.rows import QUARANTINE_SCHEMA
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import AUDIT_COLUMNS, SYSTEM_DATASET, Mode, Staging
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, SYSTEM_TABLES, Datasets, literal
from etl_assets.warehouse.bigquery.types import parsed, partition_type, quote, within
from etl_assets.warehouse.contract_tables import schema_version

STALE, RACED = "etl_assets: a newer snapshot is published", "etl_assets: another run was faster"
STATE_COLUMNS = tuple(PartitionState.__dataclass_fields__)
_STATE_TYPES = {field.name: field.field_type for field in SYSTEM_TABLES["etl_state"]}


@dataclass(frozen=True)
class Script:
    """SQL and its parameters."""

    sql: str
    parameters: Sequence[Any]


def publication(
    datasets: Datasets,
    staging: Staging,
    states: Sequence[PartitionState],
    ledger_day: date,
    *,
    before: Sequence[PartitionState] = (),
    contents: Sequence[tuple[date, str, int]] = (),
) -> Script:
    """The transaction that publishes staged days, with the rows of `etl_state` that belong to them.

    Appended rows are there already: what is committed is that they are (`contents`: day, digest,
    rows), unless the states are no longer those that were read (`before`).
    """
    table, mode = staging.table, staging.mode
    put = {
        Mode.REPLACE: _replace(datasets, staging),
        Mode.MERGE: _merge(datasets, staging),
        Mode.APPEND: [],
    }[mode]
    steps = [
        _count(datasets, len(put)),
        *(_guard_append(datasets) if mode is Mode.APPEND else [_guard(datasets)]),
        *put,
        *_quarantine(datasets, staging, replaced=mode is not Mode.APPEND),
        *_states(datasets),
        *(_recount(datasets, table) if mode is Mode.MERGE else []),
    ]
    if mode is Mode.APPEND:
        steps.append(_remember(datasets))
    declared = _declarations(staging) if mode is Mode.MERGE else []
    script = [*declared, "BEGIN TRANSACTION", *steps, "COMMIT TRANSACTION"]
    return Script(
        ";\n".join(script) + ";",
        [
            ScalarQueryParameter("table", "STRING", table.path),
            ScalarQueryParameter("at", "TIMESTAMP", max(state.updated_at for state in states)),
            ScalarQueryParameter("run", "STRING", states[0].run_id),
            ScalarQueryParameter("ledger_day", "DATE", ledger_day),
            _rows("states", _STATE_TYPES, [astuple(state) for state in states]),
            _rows(
                "before",
                {"day": "DATE", "load_id": "STRING"},
                [(state.partition_key, state.load_id) for state in before],
            ),
            _rows("contents", {"day": "DATE", "content": "STRING", "n": "INT64"}, contents),
        ],
    )


def _count(datasets: Datasets, statements: int) -> str:
    return (
        f"UPDATE {_system(datasets, 'etl_modifications')} "  # noqa: S608 - quoted
        f"SET dml_statements = dml_statements + {statements} "
        "WHERE table_name = @table AND day = @ledger_day"
    )


def _guard(datasets: Datasets) -> str:
    return (
        f"IF EXISTS (SELECT 1 FROM {_system(datasets, 'etl_state')} AS s "  # noqa: S608 - quoted
        "JOIN UNNEST(@states) AS n ON n.partition_key = s.partition_key "
        "WHERE s.table_name = @table AND s.as_of > n.as_of) "
        f"THEN RAISE USING MESSAGE = {literal(STALE)}; END IF"
    )


def _guard_append(datasets: Datasets) -> list[str]:
    raced = f"THEN RAISE USING MESSAGE = {literal(RACED)}; END IF"
    return [
        f"IF EXISTS (SELECT 1 FROM {_system(datasets, 'etl_appends')} AS a "  # noqa: S608 - quoted
        "JOIN UNNEST(@contents) AS c ON c.day = a.partition_key AND c.content = a.content "
        f"WHERE a.table_name = @table) {raced}",
        f"IF EXISTS (SELECT 1 FROM {_system(datasets, 'etl_state')} AS s "  # noqa: S608 - quoted
        "JOIN UNNEST(@states) AS n ON n.partition_key = s.partition_key "
        "LEFT JOIN UNNEST(@before) AS b ON b.day = s.partition_key AND b.load_id = s.load_id "
        f"WHERE s.table_name = @table AND b.load_id IS NULL) {raced}",
    ]


def _replace(datasets: Datasets, staging: Staging) -> list[str]:
    target = datasets.published(staging.table)
    windows = windows_of(staged.day for staged in staging.days)
    deleted = " OR ".join(f"({within(staging.table, window)})" for window in windows)
    return [
        f"DELETE FROM {target} WHERE {deleted}",  # noqa: S608 - quoted
        *([_insert(datasets, staging, "")] if has_staged_rows(staging) else []),
    ]


def _declarations(staging: Staging) -> list[str]:
    days = [staged.day for staged in staging.days]
    return [
        f"DECLARE etl_first DATE DEFAULT DATE '{min(days)}'",
        f"DECLARE etl_last DATE DEFAULT DATE '{max(days)}'",
    ]


def _merge(datasets: Datasets, staging: Staging) -> list[str]:
    """By key; of two versions of a row the one with the greater cursor stays.

    On which days the published versions are is looked up first, so that rows whose day changed
    leave the old one; what changes rows then has constant bounds, and prunes by them.
    """
    if not has_staged_rows(staging):
        return []
    table, target = staging.table, datasets.published(staging.table)
    staged = datasets.name(STAGING_DATASET, staging.name)
    column = f"t.{quote(table.partition_column)}"
    same = " AND ".join(f"s.{quote(key)} = t.{quote(key)}" for key in table.key)
    newest, order = "", f"s.{quote(table.partition_column)} DESC"
    if table.cursor_column:  # a published row without a cursor gives way to any version
        cursor = quote(table.cursor_column)
        newest = f" AND (t.{cursor} IS NULL OR s.{cursor} >= t.{cursor})"
        order = f"s.{cursor} DESC NULLS LAST, {order}"
    key = ", ".join(f"s.{quote(name)}" for name in table.key)
    first, last = (
        f"(SELECT {extreme}(DATE({column})) FROM {target} AS t JOIN {staged} AS s ON {same} "  # noqa: S608
        f"WHERE {column} >= {partition_type(table)} '0001-01-01')"
        for extreme in ("MIN", "MAX")
    )
    bounds = _between(table)
    return [
        f"SET etl_first = LEAST(etl_first, IFNULL({first}, etl_first))",
        f"SET etl_last = GREATEST(etl_last, IFNULL({last}, etl_last))",
        f"DELETE FROM {target} AS t WHERE {bounds} "  # noqa: S608 - quoted
        f"AND EXISTS (SELECT 1 FROM {staged} AS s WHERE {same}{newest})",
        _insert(
            datasets,
            staging,
            # A key may be staged on two days: its row was read before and after it moved.
            f" WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {bounds} AND {same})"  # noqa: S608
            f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) = 1",
        ),
    ]


def _between(table: LayerTable) -> str:
    """Whether a row of `t` is on one of the days from `etl_first` to `etl_last`."""
    column, kind = f"t.{quote(table.partition_column)}", partition_type(table)
    if kind == "DATE":
        return f"{column} BETWEEN etl_first AND etl_last"
    end = f"{kind}(DATE_ADD(etl_last, INTERVAL 1 DAY))"
    return f"{column} >= {kind}(etl_first) AND {column} < {end}"


def _insert(datasets: Datasets, staging: Staging, condition: str) -> str:
    table = staging.table
    names = [quote(column.name) for column in table.columns] + [quote(n) for n in AUDIT_COLUMNS]
    values = [parsed(column, "s") for column in table.columns]
    values += ["@at", _source(staging), "@run", literal(schema_version(table))]
    return (
        f"INSERT INTO {datasets.published(table)} ({', '.join(names)}) "  # noqa: S608 - quoted
        f"SELECT {', '.join(values)} FROM {datasets.name(STAGING_DATASET, staging.name)} AS s"
        f"{condition}"
    )


def _source(staging: Staging) -> str:
    """Where a staged row came from: days of one publication may have several sources."""
    days: dict[str, list[date]] = {}
    for staged in staging.days:
        days.setdefault(staged.source, []).append(staged.day)
    if len(days) == 1:
        return literal(next(iter(days)))
    cases = [
        f"WHEN {within(staging.table, window, 's.')} THEN {literal(source)}"
        for source, its_days in days.items()
        for window in windows_of(its_days)
    ]
    return f"CASE {' '.join(cases)} END"


def _quarantine(datasets: Datasets, staging: Staging, *, replaced: bool) -> list[str]:
    quarantine = _system(datasets, "etl_quarantine")
    days = "partition_key IN (SELECT n.partition_key FROM UNNEST(@states) AS n)"
    steps = []
    if replaced:
        steps.append(f"DELETE FROM {quarantine} WHERE table_name = @table AND {days}")  # noqa: S608
    if any(staged.quarantine.rows for staged in staging.days):
        staged_rows = datasets.name(STAGING_DATASET, quarantine_name(staging.name))
        names = ", ".join(QUARANTINE_SCHEMA)
        steps.append(
            f"INSERT INTO {quarantine} ({names}) "  # noqa: S608 - quoted
            f"SELECT {names} FROM {staged_rows} WHERE {days}"
        )
    return steps


def quarantine_name(name: str) -> str:
    """The staging table of a staging's rejected rows."""
    return f"{name}_quarantine"


def _states(datasets: Datasets) -> list[str]:
    state, names = _system(datasets, "etl_state"), ", ".join(STATE_COLUMNS)
    values = ", ".join(f"n.{name}" for name in STATE_COLUMNS)
    return [
        f"DELETE FROM {state} WHERE table_name = @table "  # noqa: S608 - quoted
        "AND partition_key IN (SELECT n.partition_key FROM UNNEST(@states) AS n)",
        f"INSERT INTO {state} ({names}) SELECT {values} FROM UNNEST(@states) AS n",  # noqa: S608
    ]


def _recount(datasets: Datasets, table: LayerTable) -> list[str]:
    """Neither what was staged is what is published after a merge, nor where it was."""
    return [
        f"UPDATE {_system(datasets, 'etl_state')} AS n SET row_count = ("  # noqa: S608 - quoted
        f"SELECT COUNT(*) FROM {datasets.published(table)} AS t "
        f"WHERE {_between(table)} AND DATE(t.{quote(table.partition_column)}) = n.partition_key) "
        "WHERE n.table_name = @table AND n.partition_key BETWEEN etl_first AND etl_last"
    ]


def _remember(datasets: Datasets) -> str:
    return (
        f"INSERT INTO {_system(datasets, 'etl_appends')} "  # noqa: S608 - quoted
        "(table_name, partition_key, content, row_count, run_id, appended_at) "
        "SELECT @table, c.day, c.content, c.n, @run, @at FROM UNNEST(@contents) AS c"
    )


def has_staged_rows(staging: Staging) -> bool:
    """Whether there is a staging table of rows; what is appended goes straight into the table."""
    return staging.mode is not Mode.APPEND and any(day.files.rows for day in staging.days)


def _system(datasets: Datasets, name: str) -> str:
    return datasets.name(SYSTEM_DATASET, name)


def _rows(name: str, types: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> Any:
    """An array of structs as a query parameter."""
    members = [
        ScalarQueryParameterType(type_, name=field)  # type: ignore[no-untyped-call]
        for field, type_ in types.items()
    ]
    kind = StructQueryParameterType(*members)  # type: ignore[no-untyped-call]
    structs = [
        StructQueryParameter(
            None,
            *(
                ScalarQueryParameter(field, type_, value)
                for (field, type_), value in zip(types.items(), row, strict=True)
            ),
        )
        for row in rows
    ]
    return ArrayQueryParameter(name, kind, structs)
