"""Rows that are set aside: the shape of `etl_quarantine`, and how a row is put on record.

Which rows are bad is decided in `core/audit.py` (contract) and in the sources (values that no
dtype holds).
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import cast

import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column

QUARANTINE_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("partition_key", pa.date32()),
        ("rule", pa.string()),
        ("source_position", pa.string()),
        ("payload", pa.string()),
        ("run_id", pa.string()),
        ("quarantined_at", pa.timestamp("us", "UTC")),
    ]
)
"""`etl_quarantine`: one row a rejected row; `payload` is the row as JSON, `rule` the first it broke."""


def quarantine_batch(
    *,
    table: str,
    day: date,
    rules: Sequence[str],
    positions: Sequence[str],
    payloads: Sequence[str],
    run_id: str,
    at: datetime,
) -> pa.RecordBatch:
    """Rejected rows as a batch in QUARANTINE_SCHEMA; the three sequences are of one length."""
    rows = len(rules)
    return pa.record_batch(
        [
            [table] * rows,
            [day] * rows,
            list(rules),
            list(positions),
            list(payloads),
            [run_id] * rows,
            [at] * rows,
        ],
        schema=QUARANTINE_SCHEMA,
    )


def payloads_of(rows: pl.DataFrame) -> list[str]:
    """Each row as a JSON object; what JSON has no form for (dates, decimals, bytes) as text."""
    return [json.dumps(row, default=_as_text, ensure_ascii=False) for row in rows.to_dicts()]


def keys_of(rows: pl.DataFrame, key: Sequence[Column]) -> list[str]:
    """`id=7` for each row, for evidence and positions; a personal key column is hashed."""
    columns = [
        rows[part.name].hash().cast(pl.String) if part.personal else rows[part.name].cast(pl.String)
        for part in key
    ]
    names = [f"{part.name}{'#' if part.personal else '='}" for part in key]
    return [
        ", ".join(f"{name}{value}" for name, value in zip(names, values, strict=True))
        for values in zip(*columns, strict=True)
    ]


def _as_text(value: object) -> str:
    return cast("bytes", value).hex() if isinstance(value, bytes) else str(value)
