"""What the scripts that publish are made of: names, conditions, parameters, our own messages.

Text only. A staged row is `s`, a published one `t`, a row of `etl_state` is `n`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from etl_assets.core.partitions import windows_of
from etl_assets.core.state import WHOLE_TABLE, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import AUDIT_COLUMNS, SYSTEM_DATASET, Mode, StagedDay, Staging
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, SYSTEM_TABLES, Datasets, literal
from etl_assets.warehouse.bigquery.types import parsed, partition_type, quote, within
from etl_assets.warehouse.contract_tables import schema_version

STALE = "etl_assets: a newer snapshot is published"
RACED = "etl_assets: another run was faster"
LOST = "etl_assets: another run published meanwhile"
OWN_DAY = f"DATE '{WHOLE_TABLE}'"
"""The day of a table's own row of `etl_state`."""
STATE_COLUMNS = tuple(PartitionState.__dataclass_fields__)
_STATE_TYPES = {field.name: field.field_type for field in SYSTEM_TABLES["etl_state"]}
_HISTORY_TYPES = {field.name: field.field_type for field in SYSTEM_TABLES["etl_history"]}


@dataclass(frozen=True)
class Script:
    """SQL and its parameters."""

    sql: str
    parameters: Sequence[Any]


def transaction(steps: Sequence[str]) -> str:
    """One transaction of the statements."""
    return ";\n".join(["BEGIN TRANSACTION", *steps, "COMMIT TRANSACTION"]) + ";"


def block(statements: Sequence[str]) -> str:
    """Statements with variables of their own, which are declared first."""
    return f"BEGIN {'; '.join(statements)}; END"


def only_if(condition: str, statements: Sequence[str], otherwise: Sequence[str] = ()) -> str:
    """Statements that run where the condition holds, and those that run where it does not."""
    other = f" ELSE {'; '.join(otherwise)};" if otherwise else ""
    return f"IF {condition} THEN {'; '.join(statements)};{other} END IF"


def refuse_if(condition: str, message: str) -> str:
    """End the script, and undo its transaction, where the condition holds."""
    return only_if(condition, [f"RAISE USING MESSAGE = {literal(message)}"])


def system(datasets: Datasets, name: str) -> str:
    """One of the platform's own tables."""
    return datasets.name(SYSTEM_DATASET, name)


def staged_rows(datasets: Datasets, staging: Staging) -> str:
    """The staging table of the rows."""
    return datasets.name(STAGING_DATASET, staging.name)


def staging_name(table: LayerTable, days: Sequence[StagedDay], run_id: str) -> str:
    """Names the run and the days, and is never given twice: so are the ids of the jobs on it."""
    dates = sorted(staged.day for staged in days)
    span = f"{dates[0]:%Y%m%d}_{dates[-1]:%Y%m%d}" if dates else "none"
    words = f"{table.layer}_{table.name[:60]}_{span}_{run_id[:40]}_{uuid4().hex[:12]}"
    return re.sub(r"\W", "_", words, flags=re.ASCII)


def quarantine_name(name: str) -> str:
    """The staging table of a staging's rejected rows."""
    return f"{name}_quarantine"


def gone_name(name: str) -> str:
    """The staging table of the keys that leave."""
    return f"{name}_gone"


def tombstones_name(name: str) -> str:
    """The staging table of a staging's tombstones."""
    return f"{name}_tombstones"


def has_staged_rows(staging: Staging) -> bool:
    """Whether there is a staging table of rows.

    What is appended goes straight into the table; its versions are told from staged rows.
    """
    staged = staging.mode is not Mode.APPEND or staging.table.versions is not None
    return staged and any(day.files.rows for day in staging.days)


def same_key(table: LayerTable, published: str = "t") -> str:
    """Whether a staged row has a published one's key."""
    return " AND ".join(
        f"{parsed(table.column(name), 's')} = {published}.{quote(name)}" for name in table.key
    )


def key_columns(table: LayerTable, alias: str) -> str:
    """The key's columns of a row."""
    return ", ".join(f"{alias}.{quote(name)}" for name in table.key)


def on_days(table: LayerTable, days: Collection[date], alias: str = "") -> str:
    """Whether a row is on one of these days, in constants, so that it prunes."""
    spans = [f"({within(table, window, alias)})" for window in windows_of(days)]
    return f"({' OR '.join(spans)})"


def between(table: LayerTable) -> str:
    """Whether a row of `t` is on one of the days from `etl_first` to `etl_last`."""
    column, kind = f"t.{quote(table.day_column)}", partition_type(table)
    if kind == "DATE":
        return f"{column} BETWEEN etl_first AND etl_last"
    end = f"{kind}(DATE_ADD(etl_last, INTERVAL 1 DAY))"
    return f"{column} >= {kind}(etl_first) AND {column} < {end}"


def on_any_day(table: LayerTable, alias: str) -> str:
    """True of every row, for tables that refuse a query without a condition on the day."""
    return f"{alias}.{quote(table.day_column)} >= {partition_type(table)} '0001-01-01'"


def insert(datasets: Datasets, staging: Staging, target: LayerTable, condition: str = "") -> str:
    """Put the staged rows that meet the condition into `target`, which has the same columns."""
    table = staging.table
    names = [quote(column.name) for column in table.columns] + [quote(n) for n in AUDIT_COLUMNS]
    values = [parsed(column, "s") for column in table.columns]
    values += ["@at", _source(staging), "@run", literal(schema_version(target))]
    return (
        f"INSERT INTO {datasets.published(target)} ({', '.join(names)}) "  # noqa: S608 - quoted
        f"SELECT {', '.join(values)} FROM {staged_rows(datasets, staging)} AS s{condition}"
    )


def _source(staging: Staging) -> str:
    """Where a staged row came from: days of one publication may have several sources."""
    days: dict[str, list[date]] = {}
    for staged in staging.days:
        days.setdefault(staged.source, []).append(staged.day)
    if len(days) == 1:
        return literal(next(iter(days)))
    cases = [
        f"WHEN {on_days(staging.table, its_days, 's.')} THEN {literal(source)}"
        for source, its_days in days.items()
    ]
    return f"CASE {' '.join(cases)} END"


def count_statements(datasets: Datasets, number: int) -> str:
    """Count DML in the ledger; two transactions that both do this cannot both commit (L3)."""
    return (
        f"UPDATE {system(datasets, 'etl_modifications')} "  # noqa: S608 - quoted
        f"SET dml_statements = dml_statements + {number} "
        "WHERE table_name = @table AND day = @ledger_day"
    )


def refuse_lost_turn(datasets: Datasets, token: str | None) -> str:
    """End the script unless the table's own row has the token, or is missing where it is None."""
    own = (
        f"EXISTS (SELECT 1 FROM {system(datasets, 'etl_state')} "  # noqa: S608 - quoted
        f"WHERE table_name = @table AND partition_key = {OWN_DAY}"
    )
    if token is None:
        return refuse_if(f"{own})", LOST)
    return refuse_if(f"NOT {own} AND load_id = @token)", LOST)


def put_states(datasets: Datasets, *, first: bool = False) -> list[str]:
    """Let `@states` take the place of the rows of the same days; `first` adds `@own` if missing."""
    state, names = system(datasets, "etl_state"), ", ".join(STATE_COLUMNS)
    values = ", ".join(f"new.{name}" for name in STATE_COLUMNS)
    own = (
        f" UNION ALL SELECT {values} FROM UNNEST(@own) AS new WHERE NOT EXISTS "  # noqa: S608
        f"(SELECT 1 FROM {state} WHERE table_name = @table AND partition_key = {OWN_DAY})"
    )
    return [
        f"DELETE FROM {state} WHERE table_name = @table "  # noqa: S608 - quoted
        "AND partition_key IN (SELECT new.partition_key FROM UNNEST(@states) AS new)",
        f"INSERT INTO {state} ({names}) SELECT {values} FROM UNNEST(@states) AS new"  # noqa: S608
        f"{own if first else ''}",
    ]


def put_history(datasets: Datasets) -> str:
    """Add `@history` to `etl_history`."""
    names = list(_HISTORY_TYPES)
    return (
        f"INSERT INTO {system(datasets, 'etl_history')} ({', '.join(names)}) "  # noqa: S608
        f"SELECT {', '.join(f'h.{name}' for name in names)} FROM UNNEST(@history) AS h"
    )


def states_parameter(states: Sequence[PartitionState], name: str = "states") -> Any:
    """`@states`, or rows of `etl_state` by another name."""
    return struct_rows(name, _STATE_TYPES, [astuple(state) for state in states])


def history_parameter(history: Sequence[HistoryEntry]) -> Any:
    """`@history`."""
    return struct_rows("history", _HISTORY_TYPES, [astuple(entry) for entry in history])


def struct_rows(name: str, types: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> Any:
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
