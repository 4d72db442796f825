"""Contracts, loads and check evidence as Dagster metadata that its UI renders.

What is shown of rows is masked where the contract marks a column as personal.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Column
from etl_assets.core.table import LayerTable
from etl_assets.core.table_pages import table_text
from etl_assets.orchestration.lineage import column_lineage
from etl_assets.orchestration.places import warehouse_uri

if TYPE_CHECKING:
    from etl_assets.core.ledger import LedgerEntry
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.warehouse.publication import JobCost

MASK = "•••"
_PREVIEW_WIDTH, _MOST_FILES = 40, 100
Metadata = dict[str, Any]
"""What Dagster takes as metadata: plain numbers and strings, or its own MetadataValues."""


@cache
def table_schema(table: LayerTable) -> dg.TableSchema:
    """The contract as the UI's column view: types, descriptions, constraints, tags."""
    return dg.TableSchema(columns=[_table_column(table, column) for column in table.columns])


def table_metadata(table: LayerTable) -> Metadata:
    """What is true of the table on every day."""
    return {
        "dagster/table_name": f"{table.layer}.{table.name}",
        "dagster/column_schema": table_schema(table),
    }


def code_of(table: LayerTable) -> Mapping[str, dg.CodeReferencesMetadataValue]:
    """The file that declares the table, nothing for a table that was made in code."""
    module = sys.modules.get(table.module or "")
    if module is None or module.__file__ is None:
        return {}
    file = Path(module.__file__)
    reference = dg.LocalFileCodeReference(
        file_path=str(file.parent / table.file if table.file else file),
        line_number=1,
        label=table.path,
    )
    value = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {"dagster/code_references": value}


def warehouse_kind_of(settings: Settings) -> str:
    """`duckdb`, `postgresql` or `bigquery`."""
    return (settings.warehouse_url or "duckdb").split(":", 1)[0]


def kinds_of(settings: Settings) -> set[str]:
    """The technologies of a table that is made here."""
    return {warehouse_kind_of(settings), "polars"}


def asset_metadata(settings: Settings, catalog: Catalog, table: LayerTable) -> Metadata:
    """The same, where the table is, its code and its page, for the asset itself.

    Without the lineage of its columns: each process that imports the code location would measure
    it, and the UI has it from the first materialisation on.
    """
    page = dg.MetadataValue.md(table_text(catalog, table))
    return {
        **table_metadata(table),
        "dagster/uri": warehouse_uri(settings, table),
        **code_of(table),
        "documentation": page,
    }


def day_metadata(
    catalog: Catalog, loaded: "LoadedDay", *, total_rows: int, publish_seconds: float | None = None
) -> Metadata:
    """What is true of one published day; numbers are plotted by partition in the UI.

    `total_rows` is of the whole table; seconds are of this day alone, `publish_seconds` its share
    of the transaction, None where days were changed together and none has a time of its own.
    """
    seconds = {} if publish_seconds is None else {**loaded.seconds, "publish": publish_seconds}
    whole = sum(seconds.values())
    metadata: Metadata = {
        **table_metadata(loaded.table),
        "dagster/row_count": total_rows,
        "dagster/partition_row_count": loaded.rows,
        "quarantined_rows": loaded.quarantined,
        "bytes": loaded.files.bytes,
        **{f"seconds_{step}": round(value, 4) for step, value in seconds.items()},
        **({"rows_per_second": round(loaded.files.rows / whole, 1)} if whole else {}),
        **{
            f"null_ratio/{column.name}": round(loaded.null_ratios.get(column.name, 0.0), 6)
            for column in loaded.table.columns
            if column.nullable
        },
        "preview": dg.MetadataValue.md(preview(loaded.preview, loaded.table.columns)),
    }
    lineage = column_lineage(catalog, loaded.table)
    if lineage:
        metadata["dagster/column_lineage"] = lineage
    if loaded.source_count is not None:
        metadata["source_rows"] = loaded.source_count
    if loaded.gone is not None:
        metadata["rows_kept_though_gone"] = loaded.gone.keys.rows
    if loaded.ledger is not None:
        return {**metadata, **_files_metadata(loaded.ledger)}
    if loaded.query:
        metadata["source_query"] = dg.MetadataValue.md(f"```sql\n{loaded.query}\n```")
    if loaded.limits:
        lines = "\n".join(f"- {limit}" for limit in loaded.limits)
        metadata["not_guaranteed"] = dg.MetadataValue.md(lines)
    if loaded.high_watermark is not None:
        metadata["high_watermark"] = dg.MetadataValue.timestamp(loaded.high_watermark)
    return metadata


def _files_metadata(ledger: "Sequence[LedgerEntry]") -> Metadata:
    """The sums over the objects of a day, and what became of each, up to `_MOST_FILES`."""
    shown = [
        dg.TableRecord(
            {
                "object": entry.object_key,
                "status": str(entry.status),
                "bytes": entry.size,
                "read": entry.rows_read,
                "published": entry.rows_published,
                "quarantined": entry.rows_quarantined,
                "error": entry.error or "",
            }
        )
        for entry in ledger[:_MOST_FILES]
    ]
    return {
        "objects": len(ledger),
        "objects_refused": sum(entry.error is not None for entry in ledger),
        "objects_bytes": sum(entry.size for entry in ledger),
        **({"files": dg.MetadataValue.table(shown)} if shown else {}),
    }


def cost_metadata(jobs: "Sequence[JobCost]", days: int) -> Metadata:
    """What publishing cost: a day's share of the sums, and every job of the publication."""
    if not jobs:
        return {}
    return {
        "bytes_processed": round(sum(job.bytes_processed for job in jobs) / days),
        "bytes_billed": round(sum(job.bytes_billed for job in jobs) / days),
        "slot_seconds": round(sum(job.slot_seconds for job in jobs) / days, 3),
        "jobs": dg.MetadataValue.table([dg.TableRecord(asdict(job)) for job in jobs]),
    }


def evidence_metadata(evidence: Mapping[str, object]) -> Metadata:
    """A check's evidence: numbers stay numbers, rows become tables."""
    return {name: _evidence_value(value) for name, value in evidence.items()}


def preview(rows: pl.DataFrame, columns: Sequence[Column]) -> str:
    """The rows as a Markdown table, personal columns masked."""
    if not rows.height:
        return "*no rows*"
    personal = {column.name for column in columns if column.personal}
    cells = {
        _cell(name): [
            MASK if name in personal and value is not None else _cell(value) for value in rows[name]
        ]
        for name in rows.columns
    }
    # Polars draws the table, but neither escapes a bar nor keeps a line break in its cell.
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=-1,
        fmt_str_lengths=2 * _PREVIEW_WIDTH,
    ):
        return str(pl.DataFrame(cells))


def _cell(value: object) -> str:
    """A value in one line, at most so wide, that ends no cell of a Markdown table."""
    text = "" if value is None else " ".join(str(value).splitlines())
    text = text if len(text) <= _PREVIEW_WIDTH else text[: _PREVIEW_WIDTH - 1] + "…"
    return text.replace("|", "\\|")


def _table_column(table: LayerTable, column: Column) -> dg.TableColumn:
    tags = {}
    if column.personal:
        tags["personal"] = "true"
    if column.unit:
        tags["unit"] = column.unit.replace(" ", "_")
    if column.name == table.partition_column:
        tags["partition"] = "day"
    return dg.TableColumn(
        name=column.name,
        type=str(column.dtype),
        description=column.description,
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable,
            unique=table.key == (column.name,),
            other=[*column.rules, *_null_bound(column)],
        ),
        tags=tags,
    )


def _null_bound(column: Column) -> list[str]:
    bound = column.max_null_ratio
    return [] if bound is None else [f"null ratio <= {bound:g}"]


def _evidence_value(value: object) -> Any:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dg.MetadataValue.table([dg.TableRecord(row) for row in value])
    if not value:
        return "none"
    if isinstance(value, Sequence):
        return "; ".join(map(str, value))
    return dg.MetadataValue.json(value)  # type: ignore[arg-type]
