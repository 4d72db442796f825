"""Days of a staged or enriched table, made of published upstream days by a pure transform."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from etl_assets.core.errors import ContractMismatch, UpstreamMissing
from etl_assets.core.lateness import Loads, made_of
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.sources.base import DayRead, Evidence

CHUNK_ROWS = 131_072


@dataclass(frozen=True)
class Upstream:
    """An upstream table's published rows for some days, at one moment of the warehouse.

    `frames` holds a lazy frame for each day; with `until` a single one serves all days, each of
    which sees its rows up to and including that day.
    `unpublished` are the days asked for that were never published, `loads` what was published
    when the rows were read, or before.
    """

    table: LayerTable
    as_of: datetime
    frames: Mapping[date, pl.LazyFrame]
    until: pl.LazyFrame | None = None
    unpublished: frozenset[date] = frozenset()
    loads: Loads = field(default_factory=Loads)

    def day(self, day: date) -> pl.LazyFrame:
        """The frame that the transform of `day` gets, in the upstream contract's dtypes."""
        if self.until is None:
            return self.frames[day]
        column = self.table.day_column
        dtype = self.table.column(column).dtype
        if isinstance(dtype, pl.Date):
            return self.until.filter(pl.col(column) <= day)
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
        end = Window.of(day).end if zoned else Window.of(day).end.replace(tzinfo=None)
        return self.until.filter(pl.col(column) < pl.lit(end, dtype=dtype))


@dataclass(frozen=True)
class DerivedSource:
    """A `DaySource` whose days are made by the table's transform."""

    table: LayerTable
    upstream: Mapping[str, Upstream]

    @contextmanager
    def open(self) -> Iterator[Callable[[date], DayRead]]:
        """Nothing to connect to: the upstream rows are in the spool already."""
        yield lambda day: DerivedDay(self.table, self.upstream, day)


@dataclass(frozen=True)
class DerivedDay:
    """A `DayRead` of one day."""

    table: LayerTable
    upstream: Mapping[str, Upstream]
    day: date

    @property
    def source(self) -> str:
        """What `_source` says of its rows: the upstream tables."""
        return ", ".join(upstream.table.path for upstream in self.upstream.values())

    def evidence(self) -> Evidence:
        """The rows of the input that sets the grain; None where no input does.

        Raises UpstreamMissing where an input's own day was never published: no rows are not zero.
        """
        for upstream in self.upstream.values():
            if self.day in upstream.unpublished:
                path = upstream.table.path
                raise UpstreamMissing(
                    f"{path} {self.day} is not published, and {self.table.path} is made of it.",
                    f"Load it first: etl-assets backfill {path} --from {self.day} --to {self.day}.",
                )
        grain = [name for name, given in self.table.inputs.items() if given.sets_grain]
        rows = sum(
            self.upstream[name].day(self.day).select(pl.len()).collect().item() for name in grain
        )
        as_of = min(upstream.as_of for upstream in self.upstream.values())
        loads = {name: upstream.loads for name, upstream in self.upstream.items()}
        return Evidence(
            as_of, rows if grain else None, made_of=made_of(self.table, loads, self.day)
        )

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """What the transform makes of the day, in chunks; raises ContractMismatch if it fails."""
        transform = self.table.transform
        assert transform is not None  # noqa: S101 - only derived tables are made by a transform
        frames = {name: upstream.day(self.day) for name, upstream in self.upstream.items()}
        try:
            made = transform(**frames)
            yield from _chunks(made)
        except pl.exceptions.PolarsError as error:
            raise ContractMismatch(
                f"The transform of {self.table.path} failed on {self.day}: {_told(error)}.",
                f"Mend it in etl_assets/tables/{self.table.name}.py; nothing was published.",
            ) from None


@dataclass(frozen=True)
class PublishedSource:
    """A `DaySource` of what is published, to audit it again; `counts` is what state says of it."""

    table: LayerTable
    published: Upstream
    counts: Mapping[date, int]

    @contextmanager
    def open(self) -> Iterator[Callable[[date], DayRead]]:
        """Nothing to connect to: the rows are in the spool already."""
        yield lambda day: PublishedDay(self, day)


@dataclass(frozen=True)
class PublishedDay:
    """A `DayRead` of one published day."""

    origin: PublishedSource
    day: date

    @property
    def source(self) -> str:
        """The table itself."""
        return self.origin.table.path

    def evidence(self) -> Evidence:
        """What state says was published."""
        return Evidence(self.origin.published.as_of, self.origin.counts[self.day])

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """The rows as they are published."""
        yield from _chunks(self.origin.published.day(self.day))


def _chunks(frame: pl.LazyFrame) -> Generator[pl.DataFrame, None, None]:
    """The frame's rows in bounded pieces, computed by the streaming engine as they are taken."""
    yield from frame.collect_batches(chunk_size=CHUNK_ROWS)


def _told(error: pl.exceptions.PolarsError) -> str:
    """The error's words where they are about names, else its kind: they may quote values."""
    about_names = (pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError)
    kind = type(error).__name__
    return f"{kind}: {str(error).splitlines()[0]}" if isinstance(error, about_names) else kind
