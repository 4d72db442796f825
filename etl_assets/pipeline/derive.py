"""Parts of a staged or enriched table, made of published upstream parts by a pure transform."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from etl_assets.core.column_lineage import every_column_read
from etl_assets.core.errors import ContractMismatch, UpstreamMissing
from etl_assets.core.gained import Lacking, lacking
from etl_assets.core.lateness import Loads, lacking_inputs, loads_of, made_of
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.readings import noted
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.look_ups import LookUps
from etl_assets.sources.reads import Afterwards, DayEvidence, DayRead
from etl_assets.warehouse.base import Warehouse

CHUNK_ROWS = 131_072


@dataclass(frozen=True)
class Upstream:
    """An upstream table's published rows for some parts, at one moment of the warehouse.

    `frames` holds a lazy frame for each day; with `until` a single one serves all days, each of
    which sees its rows up to and including that day; with `whole` each part sees all of its rows.
    A day of an input that is a window sees the frames of all days of the window.
    `unpublished` are the days asked for that were never published, or WHOLE where nothing was.
    `loads` is what makes a part late, as it stood when the rows were read, or before; `lacking` are
    the columns that parts lack, so that their NULLs say nothing.
    """

    table: LayerTable
    given: Input
    as_of: datetime
    frames: Mapping[date, pl.LazyFrame] = field(default_factory=dict)
    until: pl.LazyFrame | None = None
    whole: pl.LazyFrame | None = None
    unpublished: frozenset[date] = frozenset()
    loads: Loads = field(default_factory=Loads)
    lacking: Lacking = field(default_factory=dict)

    def day(self, day: date) -> pl.LazyFrame:
        """The frame that the transform of `day` gets, in the upstream contract's dtypes."""
        if self.whole is not None:
            return self.whole
        if self.until is None:
            read = [known for known in self.given.window_of(day) if known in self.frames]
            return pl.concat([self.frames[known] for known in read])
        column = self.table.day_column
        dtype = self.table.column(column).dtype
        if isinstance(dtype, pl.Date):
            return self.until.filter(pl.col(column) <= day)
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
        end = Window.of(day).end if zoned else Window.of(day).end.replace(tzinfo=None)
        return self.until.filter(pl.col(column) < pl.lit(end, dtype=dtype))

    def lacks(self, day: date) -> bool:
        """Whether what a part is made of was never published: no rows are not zero."""
        return (WHOLE if self.whole is not None else day) in self.unpublished


def read_upstream(
    warehouse: Warehouse,
    table: LayerTable,
    given: Input,
    days: Sequence[date],
    folder: Path,
    *,
    reader: LayerTable,
    run_id: str = "",
) -> Upstream:
    """The published rows of an input for the days of the derived table `reader`, `days` being the
    input's. A table without days is made of all rows of the input.

    Columns that the input's contract gained are brought first (`gained.py`).
    """
    bring_columns(warehouse, table, run_id)
    # Before the rows: what is published in between makes the part late, never unnoticed.
    seen = warehouse.seen
    loads = Loads({s.partition_key: s.load_id for s in seen.state(table)})
    known = sorted(loads.by_day)
    lacks = lacking(table, seen.table_state(table), known)
    if not reader.has_days or not table.has_days:
        if loads_of(reader, given) != given.asset:
            marks = seen.state(noted(reader, given.asset))
            loads = Loads({s.partition_key: s.load_id for s in marks})
        windows = [Window(known[0], known[-1])] if known else [Window.of(WHOLE)]
        extract = seen.read(table, windows, folder)
        missing = frozenset() if known else frozenset([WHOLE])
        return Upstream(
            table,
            given,
            extract.as_of,
            whole=extract.frames[0],
            unpublished=missing,
            loads=loads,
            lacking=lacks,
        )
    unpublished = frozenset(days) - loads.by_day.keys()
    if given.all_days_until:
        first = min([*known[:1], days[0]])
        extract = seen.read(table, [Window(first, days[-1])], folder)
        frame = extract.frames[0]
        return Upstream(
            table,
            given,
            extract.as_of,
            until=frame,
            unpublished=unpublished,
            loads=loads,
            lacking=lacks,
        )
    extract = seen.read(table, [Window.of(day) for day in days], folder)
    frames = dict(zip(days, extract.frames, strict=True))
    return Upstream(
        table, given, extract.as_of, frames, unpublished=unpublished, loads=loads, lacking=lacks
    )


@dataclass(frozen=True)
class DerivedSource:
    """A `DaySource` whose parts are made by the table's transform."""

    table: LayerTable
    upstream: Mapping[str, Upstream]

    @contextmanager
    def open(self) -> Iterator["DerivedSource"]:
        """Nothing to connect to: the upstream rows are in the spool already."""
        yield self

    def day(self, day: date) -> DayRead:
        """One part, not made yet."""
        return DerivedDay(self.table, self.upstream, day)


@dataclass(frozen=True)
class DerivedDay(DayRead):
    """A `DayRead` of one part."""

    table: LayerTable
    upstream: Mapping[str, Upstream]
    day: date

    @cached_property
    def _look_ups(self) -> LookUps:
        dimensions = {
            name: self.upstream[name].day(self.day)
            for name, given in self.table.inputs.items()
            if given.as_of is not None
        }
        return LookUps(self.table, dimensions)

    def afterwards(self) -> Afterwards:
        """Which surrogate keys of its rows point to no version, or to one of another time."""
        looked = self._look_ups
        return Afterwards(look_ups=looked.samples if looked.is_needed else None)

    @property
    def source(self) -> str:
        """What `_source` says of its rows: the upstream tables, or the table's own module."""
        paths = [upstream.table.path for upstream in self.upstream.values()]
        return ", ".join(paths) or self.table.declared_in

    def evidence(self) -> DayEvidence:
        """The rows of the input that sets the grain; None where no input does.

        Raises UpstreamMissing where an input's own part was never published: no rows are not zero.
        """
        for upstream in self.upstream.values():
            if upstream.lacks(self.day):
                raise _missing(self.table, upstream.table, self.day)
        lacking = {one.table.path: one.lacking for one in self.upstream.values() if one.lacking}
        if lacking:
            self._refuse_missing_values(lacking)
        grain = [name for name, given in self.table.inputs.items() if given.sets_grain]
        rows = sum(
            self.upstream[name].day(self.day).select(pl.len()).collect().item() for name in grain
        )
        # What is made of nothing is as new as its making.
        as_of = min((one.as_of for one in self.upstream.values()), default=datetime.now(UTC))
        loads = {name: upstream.loads for name, upstream in self.upstream.items()}
        return DayEvidence(
            as_of, rows if grain else None, made_of=made_of(self.table, loads, self.day)
        )

    def _refuse_missing_values(self, lacking: Mapping[str, Lacking]) -> None:
        above = {one.table.path: one.table for one in self.upstream.values()}
        read = every_column_read(self.table, tuple(above[p] for p in sorted(above)))
        missing = lacking_inputs(self.table, self.day, lacking, lambda _table: read)
        for path, names in missing.items():
            days = above[path].has_days and self.day != WHOLE
            on = f" on {self.day}" if days else ""
            span = f" --from {self.day} --to {self.day}" if days else ""
            raise UpstreamMissing(
                f"{path} has no values of {', '.join(names)} yet{on}, which its contract gained "
                f"and {self.table.path} reads.",
                f"Load them first: etl-assets backfill {path}{span}.",
            )

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """What the transform makes of the day, in chunks; raises ContractMismatch if it fails."""
        transform = self.table.transform
        assert transform is not None  # noqa: S101 - only derived tables are made by a transform
        frames = {name: upstream.day(self.day) for name, upstream in self.upstream.items()}
        own_day = {"day": self.day} if self.table.transform_takes_day else {}
        try:
            made = transform(**frames, **own_day)
            for piece in _chunks(made):
                self._look_ups.see(piece)
                yield piece
        except pl.exceptions.PolarsError as error:
            raise ContractMismatch(
                f"The transform of {self.table.path} failed on {self.day}: {_told(error)}.",
                f"Correct it in {self.table.declared_in}; nothing was published.",
            ) from None


@dataclass(frozen=True)
class PublishedSource:
    """A `DaySource` of what is published, to audit it again; `counts` is what state says of it."""

    table: LayerTable
    published: Upstream
    counts: Mapping[date, int]

    @contextmanager
    def open(self) -> Iterator["PublishedSource"]:
        """Nothing to connect to: the rows are in the spool already."""
        yield self

    def day(self, day: date) -> DayRead:
        """One part, not read yet."""
        return PublishedDay(self, day)


@dataclass(frozen=True)
class PublishedDay(DayRead):
    """A `DayRead` of one published part."""

    origin: PublishedSource
    day: date

    @property
    def source(self) -> str:
        """The table itself."""
        return self.origin.table.path

    def evidence(self) -> DayEvidence:
        """What state says was published."""
        return DayEvidence(self.origin.published.as_of, self.origin.counts[self.day])

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """The rows as they are published."""
        yield from _chunks(self.origin.published.day(self.day))


def _missing(table: LayerTable, upstream: LayerTable, day: date) -> UpstreamMissing:
    if upstream.has_days and day != WHOLE:
        return UpstreamMissing(
            f"{upstream.path} {day} is not published, and {table.path} is made of it.",
            f"Load it first: etl-assets backfill {upstream.path} --from {day} --to {day}.",
        )
    return UpstreamMissing(
        f"{upstream.path} is not published, and {table.path} is made of it.",
        f"Load it first: etl-assets backfill {upstream.path}.",
    )


def _chunks(frame: pl.LazyFrame) -> Generator[pl.DataFrame, None, None]:
    """The frame's rows in bounded pieces, computed by the streaming engine as they are taken."""
    yield from frame.collect_batches(chunk_size=CHUNK_ROWS)


def _told(error: pl.exceptions.PolarsError) -> str:
    """The error's words where they are about names, else its kind: they may quote values."""
    about_names = (pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError)
    kind = type(error).__name__
    return f"{kind}: {str(error).splitlines()[0]}" if isinstance(error, about_names) else kind
