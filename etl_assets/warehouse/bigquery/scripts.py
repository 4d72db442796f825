"""What the scripts that publish are made of: names, parameters, our own messages.

Text only. A staged row is `s`, a published one `t`, a key that was handed in `k`. Conditions on
days and keys are `types.py`.
"""

import re
from collections.abc import Mapping, Sequence
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

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets, literal
from etl_assets.warehouse.bigquery.system import system, types_of
from etl_assets.warehouse.bigquery.types import on_days, parsed, quote
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.publication import StagedDay, Staging
from etl_assets.warehouse.system_tables import HISTORY, STATE, TABLES

LOST = "etl_assets: another run published meanwhile"


@dataclass(frozen=True)
class Script:
    """SQL and its parameters."""

    sql: str
    parameters: Sequence[Any]


def transaction(steps: Sequence[str]) -> str:
    """One transaction of the statements."""
    return ";\n".join(["BEGIN TRANSACTION", *steps, "COMMIT TRANSACTION"]) + ";"


def only_if(condition: str, statements: Sequence[str]) -> str:
    """Statements that run where the condition holds."""
    return f"IF {condition} THEN {'; '.join(statements)}; END IF"


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


def put_table(datasets: Datasets, state: TableState, token: str | None) -> tuple[list[str], Any]:
    """Let the table's row, which must have the token, say `state`; with its parameters.

    Two transactions that both do this cannot both commit (L3). A row without a `load_id` was never
    published, which is what the token None means.
    """
    tables = system(datasets, TABLES)
    row = f"EXISTS (SELECT 1 FROM {tables} WHERE table_name = @table"  # noqa: S608 - quoted
    lost = f"{row} AND load_id <> '')" if token is None else f"NOT {row} AND load_id = @token)"
    types = types_of(TABLES)
    values = dict(zip(types, astuple(state), strict=True))
    changed = [name for name in types if name != "table_name"]
    steps = [
        only_if(lost, [f"RAISE USING MESSAGE = {literal(LOST)}"]),
        f"UPDATE {tables} SET {', '.join(f'{n} = @own_{n}' for n in changed)} "  # noqa: S608
        "WHERE table_name = @table",
    ]
    return steps, [
        ScalarQueryParameter("table", "STRING", state.table_name),
        ScalarQueryParameter("token", "STRING", token),
        *(ScalarQueryParameter(f"own_{name}", types[name], values[name]) for name in changed),
    ]


def put_states(datasets: Datasets, states: Sequence[PartitionState]) -> tuple[list[str], Any]:
    """Let the states take the place of those of the same table and part; with their parameters."""
    if not states:
        return [], []
    state, types = system(datasets, STATE), types_of(STATE)
    steps = [
        f"DELETE FROM {state} AS n WHERE n.table_name IN UNNEST(@tables) AND EXISTS "  # noqa: S608
        "(SELECT 1 FROM UNNEST(@states) AS new "
        "WHERE new.table_name = n.table_name AND new.partition_key = n.partition_key)",
        f"INSERT INTO {state} ({', '.join(types)}) "  # noqa: S608 - quoted
        f"SELECT {', '.join(f'new.{name}' for name in types)} FROM UNNEST(@states) AS new",
    ]
    tables = list(dict.fromkeys(found.table_name for found in states))
    return steps, [
        ArrayQueryParameter("tables", "STRING", tables),
        struct_rows("states", types, [astuple(found) for found in states]),
    ]


def put_history(datasets: Datasets, history: Sequence[HistoryEntry]) -> tuple[list[str], Any]:
    """Add to `etl_history`; with the parameters."""
    if not history:
        return [], []
    types = types_of(HISTORY)
    step = (
        f"INSERT INTO {system(datasets, HISTORY)} ({', '.join(types)}) "  # noqa: S608 - quoted
        f"SELECT {', '.join(f'h.{name}' for name in types)} FROM UNNEST(@history) AS h"
    )
    return [step], [struct_rows("history", types, [astuple(entry) for entry in history])]


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
