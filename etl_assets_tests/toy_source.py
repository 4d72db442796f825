"""A source of another kind than PostgreSQL: a file of JSON objects, each of them a row."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import ContractMismatch, SourceUnavailable
from etl_assets.core.source_specs import SourceSpec
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.base import Source
from etl_assets.sources.reads import DayEvidence, DayRead
from etl_assets.sources.snapshot import Snapshot


@dataclass(frozen=True)
class JsonFile(SourceSpec):
    """What a table's spec declares."""

    KIND: ClassVar[str] = "json"
    path: str
    connection: str = "files"

    @property
    def place(self) -> str:
        return self.path


class JsonSource(Source):
    """The rows of a file, whose moments are texts with a zone."""

    def __init__(self, path: Path, table: LayerTable) -> None:
        super().__init__(table)
        self.path = path

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """A file is read whole, and nothing else."""
        return dict.fromkeys(Ability, "A file of JSON can only be read whole.")

    @contextmanager
    def snapshot(self) -> Iterator["JsonSnapshot"]:
        try:
            objects = json.loads(self.path.read_text())
        except FileNotFoundError:
            raise SourceUnavailable(f"{self.path.name} is not there.", "Deliver it.") from None
        yield JsonSnapshot(self.table, objects)


class JsonSnapshot(Snapshot):
    """The objects of a file that was read."""

    def __init__(self, table: LayerTable, objects: list[dict[str, object]]) -> None:
        self.table = table
        self.source = f"json:{table.name}"
        self.as_of = datetime.now(UTC)
        self.columns = [(name, type(value).__name__) for name, value in objects[0].items()]
        names = [column.name for column in table.columns]
        missing = set(names) - dict(self.columns).keys()
        if missing:
            told = f"The file of {table.path} lacks {', '.join(sorted(missing))}."
            raise ContractMismatch(told, "Correct the contract, or the file.")
        texts = pl.DataFrame([{n: str(o[n]) for n in names} for o in objects])
        self.rows = texts.select(
            pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC")
            if isinstance(dtype, pl.Datetime)
            else pl.col(name).cast(dtype)
            for name, dtype in polars_schema(table.columns).items()
        )

    def day(self, day: date) -> "JsonDay":
        """One day of the file."""
        days = pl.col(self.table.day_column).dt.date() if self.table.has_days else pl.lit(day)
        return JsonDay(self, day, self.rows.filter(days == day))


@dataclass(frozen=True)
class JsonDay(DayRead):
    snapshot: JsonSnapshot
    day: date
    rows: pl.DataFrame

    @property
    def source(self) -> str:
        return self.snapshot.source

    def evidence(self) -> DayEvidence:
        return DayEvidence(self.snapshot.as_of, self.rows.height, drift=self.snapshot.drift)

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        yield from [self.rows] if self.rows.height else []
