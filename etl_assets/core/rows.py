"""Rows that are set aside: the shape of `etl_quarantine`, and how a row is put on record.

Which rows are bad is decided in `core/audit.py` (contract) and in the sources (values that no
dtype holds).
"""

import json
import math
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.personal import digests_of

QUARANTINE_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "partition_key": pl.Date(),
        "rule": pl.String(),
        "source_position": pl.String(),
        "payload": pl.String(),
        "run_id": pl.String(),
        "quarantined_at": pl.Datetime("us", "UTC"),
    }
)
"""`etl_quarantine`, one row a rejected row: `payload` is it as JSON, `rule` the first it broke."""


TOMBSTONE_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "partition_key": pl.Date(),
        "row_key": pl.String(),
        "payload": pl.String(),
        "run_id": pl.String(),
        "found_at": pl.Datetime("us", "UTC"),
    }
)
"""`etl_tombstones`, one row for a row that the source deleted: `payload` is its last version as
JSON, `row_key` its key (`id=7`), `found_at` when its absence was found (UTC)."""


def quarantine_rows(
    *,
    table: str,
    day: date,
    rules: Sequence[str],
    positions: Sequence[str],
    payloads: Sequence[str],
    run_id: str,
    at: datetime,
) -> pl.DataFrame:
    """Rejected rows in QUARANTINE_SCHEMA; the three sequences are of one length."""
    rows = [
        (table, day, rule, position, payload, run_id, at)
        for rule, position, payload in zip(rules, positions, payloads, strict=True)
    ]
    return pl.DataFrame(rows, schema=QUARANTINE_SCHEMA, orient="row")


def payloads_of(rows: pl.DataFrame) -> list[str]:
    """Each row as a JSON object; what JSON has no form for (dates, decimals, NaN) as text."""
    return [
        json.dumps(
            {name: _finite(value) for name, value in row.items()},
            default=_as_text,
            ensure_ascii=False,
        )
        for row in rows.to_dicts()
    ]


def keys_of(rows: pl.DataFrame, key: Sequence[Column]) -> list[str]:
    """`id=7` for each row, for evidence and positions; a personal column is `email#<digest>`.

    NULL is `device IS NULL`, which no value of a text is shown as.
    """
    columns = [
        digests_of(_texts(rows[part.name])) if part.personal else _texts(rows[part.name])
        for part in key
    ]
    return [
        ", ".join(_shown(part, value) for part, value in zip(key, values, strict=True))
        for values in zip(*columns, strict=True)
    ]


def _shown(part: Column, value: str | None) -> str:
    if value is None:
        return f"{part.name} IS NULL"
    return f"{part.name}{'#' if part.personal else '='}{value}"


def _texts(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Binary):
        return values.bin.encode("hex")
    if isinstance(values.dtype, pl.Time):  # a cast drops the fraction of the second
        return values.dt.to_string("%H:%M:%S%.f")
    return values.cast(pl.String)


def _finite(value: object) -> object:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
