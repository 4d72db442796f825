"""The benchmark's orders as files that partners drop: one a format, all of one day.

How anybody reads them is in `work/`; nothing of ours is imported to find a file (`file_at`).
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from isal import igzip

CSV, GZIP, JSON_LINES, PARQUET = ".csv", ".csv.gz", ".jsonl", ".parquet"
_igzip: Any = igzip  # it has no types
_MOMENTS = "%Y-%m-%dT%H:%M:%S%.6fZ"


def file_at(folder: Path, suffix: str, day: date = date(2024, 1, 15)) -> Path:
    """The file of a format: what the table's pattern describes."""
    return folder / f"{day:%Y-%m-%d}" / f"orders{suffix}"


def write_text(frames: Iterable[pl.DataFrame], path: Path, least_bytes: int | None = None) -> int:
    """Write the frames as CSV (packed, if the path says so) or JSON Lines; returns their rows.

    With `least_bytes` it ends as soon as there are so many, counted before they are packed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = size = 0
    packed = path.suffix == ".gz"
    with _igzip.open(path, "wb") if packed else path.open("wb") as file:
        for frame in frames:
            told = _as_text(frame, path, header=not rows)
            file.write(told)
            rows, size = rows + frame.height, size + len(told)
            if least_bytes is not None and size >= least_bytes:
                break
    return rows


def write_parquet(folder: Path, path: Path) -> None:
    """Write all Parquet files of a folder into one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.scan_parquet(folder / "*.parquet").sink_parquet(path, row_group_size=250_000)


def _as_text(frame: pl.DataFrame, path: Path, *, header: bool) -> bytes:
    if path.name.endswith(JSON_LINES):
        moments = pl.selectors.datetime().dt.strftime(_MOMENTS)
        return frame.with_columns(moments).write_ndjson().encode()
    return frame.write_csv(include_header=header, datetime_format=_MOMENTS).encode()
