"""A table of files as a source: a moment is a listing, a day the objects that have rows of it.

Objects are read one after the other, in the order of their keys. What is in an object is read in
`reading/`, how a store answers is `store.py`, where rows say their day is `row_days.py`; what
becomes of rows, bad lines and objects that cannot be trusted is decided in the pipeline.
"""

import json
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import DayIncomplete
from etl_assets.core.file_formats import Parquet, compression_of
from etl_assets.core.file_index import ObjectDays
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.sources.abilities import Ability
from etl_assets.sources.base import Source
from etl_assets.sources.extra_columns import with_extra
from etl_assets.sources.files.complete import Digested, NotComplete, Promises, promises_of
from etl_assets.sources.files.declared import columns_of_files, files_of
from etl_assets.sources.files.indexing import FileIndex, complete
from etl_assets.sources.files.listing import Listing, list_table
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import LINE, OVERFLOW, Block, FileRefused, Limits
from etl_assets.sources.files.row_days import count_days
from etl_assets.sources.files.row_reads import RowReads
from etl_assets.sources.files.store import ObjectStore
from etl_assets.sources.found import DayPiece, ObjectBegins, ObjectEnds, RejectedLines
from etl_assets.sources.reads import Afterwards, DayEvidence, DayRead
from etl_assets.sources.snapshot import Snapshot
from etl_assets.spool import run_spool

if TYPE_CHECKING:
    from etl_assets.sources.files.reading.read import Reading

LIMITS = Limits()
"""The bounds of reading; tests make the blocks small."""

_CANNOT = {
    Ability.CHANGES: "Files have no cursor: a file that is new or another one is loaded with its "
    "day.",
    Ability.KEYS: "A row of a file is not found by its key.",
    Ability.DIGESTS: "What a day was made of is compared by its objects, not row by row.",
}


class FilesSource(Source):
    """A table of files; `home` is the folder whose spool takes what must be read twice.

    `index` is where it is kept which days the objects of a table have whose rows say their day.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: LayerTable,
        home: Path,
        scope: Scope | None = None,
        index: FileIndex | None = None,
    ) -> None:
        super().__init__(table, None, scope)
        self.store, self.home, self.index = store, home, index

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """Neither changes, nor keys, nor digests."""
        return _CANNOT

    def reach(self) -> None:
        """Ask for the first page of the listing."""
        next(self.store.list(below=files_of(self.table).keys.prefix), None)

    def rows_without_day(self) -> int:
        """None: a row that has no day itself is set aside on a day of its object."""
        return 0

    @contextmanager
    def snapshot(self) -> Iterator["FilesSnapshot"]:
        """A listing; raises SourceUnavailable and SourceError."""
        spec = files_of(self.table)
        listing = list_table(self.store, spec, has_days=self.table.has_days)
        index = self.index if self.table.has_row_days else None
        with ExitStack() as stack:
            scratch = None
            if index is not None or isinstance(spec.format, Parquet):
                spool = run_spool(self.home, f"files-{uuid.uuid4().hex}", self.table.name)
                scratch = stack.enter_context(spool)
            yield FilesSnapshot(self.store, self.table, listing, scratch, index)


class FilesSnapshot(Snapshot):
    """A listing of a table's objects; `scratch` is a folder for what must be read twice, None where
    nothing must. With an `index` the rows say their day.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: LayerTable,
        listed: Listing,
        scratch: Path | None,
        index: FileIndex | None = None,
    ) -> None:
        self.store, self.table, self.scratch = store, table, scratch
        self.source = f"files:{store.location}/{files_of(table).pattern}"
        self.as_of = listed.as_of
        # What columns the files have is known when they are read: see `FilesDay.afterwards`.
        self.columns = [(column.name, str(column.dtype)) for column in columns_of_files(table)]
        self._listed, self._index = listed, index
        self._row_days: dict[str, ObjectDays] = {}

    @cached_property
    def listing(self) -> Listing:
        """The objects by their days; where rows say the day, those that the index does not have are
        read first. Raises what reading raises."""
        if self._index is None:
            return self._listed

        def count(stored: StoredObject) -> ObjectDays:
            return count_days(stored, self.read(stored), self.table, LIMITS)

        listing, self._row_days = complete(self._listed, self.table, self._index, count)
        return listing

    def extent(self) -> Mapping[str, object]:
        """How many objects there are, of how many bytes, and when the newest one was written."""
        listed = (*self._listed.parts.values(), self._listed.unread)
        objects = {one.key: one for found in listed for one in found}
        newest = max((one.modified for one in objects.values()), default=None)
        return {
            "objects": len(objects),
            "bytes": sum(one.size for one in objects.values()),
            **({"newest_object": newest.isoformat()} if newest else {}),
        }

    @cached_property
    def movable(self) -> frozenset[str]:
        """The keys of objects that may have been of another day: they were written again since.

        Where rows say their day, rows that a file does not have any more are no such thing.
        """
        if files_of(self.table).day_from != "arrival":
            return frozenset()
        return frozenset(one.key for objects in self.listing.parts.values() for one in objects)

    @cached_property
    def _row_reads(self) -> RowReads:
        assert self._index is not None, self.table.path  # noqa: S101 - rows say their day
        assert self.scratch is not None, self.table.path  # noqa: S101
        index = self._index

        def forget(key: str) -> None:
            index.put([key], {})

        return RowReads(self.table, self.read, forget, self.scratch / "days", LIMITS)

    def blocks(
        self,
        stored: StoredObject,
        day: date,
        extra: dict[str, str],
        content: Iterable[bytes] | None = None,
    ) -> Iterator[Block]:
        """What the object has of a day; `extra` gains the columns that the contract does not have.

        `content` are its bytes where somebody looks at them as well. Raises FileRefused, and what
        the store raises.
        """
        if self._index is None:
            reading = self.read(stored, content)
            yield from reading
            found = reading.summary.extra
        else:
            reads = self._row_reads
            yield from reads.blocks(stored, self._row_days[stored.key], day)
            found = reads.extra[stored.key]
        extra.update(dict.fromkeys(found, "of files"))

    def read(self, stored: StoredObject, content: Iterable[bytes] | None = None) -> "Reading":
        """The whole object."""
        # Its libraries take their time to import, and a listing needs none of them.
        from etl_assets.sources.files.reading.read import read_blocks

        spec = files_of(self.table)
        return read_blocks(
            self.store.read(stored) if content is None else content,
            spec.format,
            spec.compression or compression_of(stored.key),
            columns_of_files(self.table),
            LIMITS,
            overflow=self.table.overflow_column is not None,
            missing=spec.missing,
            folder=self.scratch,
        )

    def day(self, day: date) -> "FilesDay":
        """The objects of a day, not read yet."""
        return FilesDay(self, day)


@dataclass
class FilesDay(DayRead):
    """A `DayRead` of the objects of one part."""

    snapshot: FilesSnapshot
    day: date
    _records: int = 0
    _extra: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The location and the pattern."""
        return self.snapshot.source

    @cached_property
    def promises(self) -> Promises:
        """What the day's manifest says of its objects.

        Raises DayIncomplete for a day whose marker, or an object of its manifest, is not there.
        """
        snapshot, objects = self.snapshot, self.snapshot.listing.of(self.day)
        keys = [stored.key for stored in objects]
        try:
            return promises_of(snapshot.store, files_of(snapshot.table), keys, objects)
        except NotComplete as missing:
            why = str(missing)
        raise DayIncomplete(
            f"{snapshot.table.path} {self.day} is not complete: {why}.",
            "The sensor loads it when it is; what was published for it stays until then.",
        )

    def evidence(self) -> DayEvidence:
        """What the day is made of; rows are counted while they are read.

        Raises DayIncomplete.
        """
        listing = self.snapshot.listing
        self.promises  # noqa: B018 - nothing is read of a day that is not complete
        keys = [stored.key for stored in listing.of(self.day)]
        return DayEvidence(
            as_of=listing.as_of,
            row_count=None,
            query=f"{count_of(len(keys), 'object')} of {self.source}: {_shown(keys)}",
            drift=self.snapshot.drift,
            made_of=listing.made_of(self.day),
            moved=self.snapshot.movable - set(keys),
        )

    def batches(self) -> Generator[DayPiece, None, None]:
        """The rows of each object, between ObjectBegins and ObjectEnds; a marker has none.

        Raises ObjectChanged and ObjectGone where the listing does not hold any more,
        SourceUnavailable and SourceError.
        """
        for stored in self.snapshot.listing.of(self.day):
            yield ObjectBegins(stored.key, stored.identity, stored.size, stored.modified)
            broken = self.promises.broken_by(stored)
            if broken or stored.key in self.promises.marks:
                yield ObjectEnds(0, broken)
                continue
            digested, extra, records = None, dict[str, str](), 0
            if self.promises.of(stored).md5:
                digested = Digested(self.snapshot.store.read(stored))
            try:
                for block in self.snapshot.blocks(stored, self.day, extra, digested):
                    records += block.frame.height + len(block.bad)
                    yield from self._pieces(block, stored.key)
            except FileRefused as refused:
                yield ObjectEnds(0, refused.reason)
                continue
            broken = self.promises.broken_in(stored, records, digested.md5() if digested else "")
            if broken:
                yield ObjectEnds(0, broken)
                continue
            self._records += records
            self._extra |= extra
            yield ObjectEnds(records)

    def afterwards(self) -> Afterwards:
        """How many records the objects have, and the columns that the contract does not have."""
        snapshot = self.snapshot
        report = with_extra(
            snapshot.table, snapshot.columns, self._extra, snapshot.drift, self.day, of="Files"
        )
        return Afterwards(self._records, report)

    def _pieces(self, block: Block, key: str) -> Iterator[DayPiece]:
        table, spec = self.snapshot.table, files_of(self.snapshot.table)
        if block.frame.height:
            given: dict[str, pl.Expr] = {}
            if spec.day_column:
                given[spec.day_column] = pl.lit(self.day, pl.Date)
            if spec.file_column:
                given[spec.file_column] = pl.lit(key, pl.String)
            if spec.line_column:
                given[spec.line_column] = pl.col(LINE)
            if table.overflow_column:
                given[table.overflow_column] = pl.col(OVERFLOW)
            yield block.frame.with_columns(**given).select(list(polars_schema(table.columns)))
        if block.bad:
            yield RejectedLines(
                [f"{bad.column or 'line'}: {bad.reason}" for bad in block.bad],
                [
                    f"{self.source} {json.dumps(key, ensure_ascii=False)} line {bad.line}"
                    for bad in block.bad
                ],
                [bad.raw for bad in block.bad],
            )


def _shown(keys: list[str]) -> str:
    more = f" and {len(keys) - 3:,} more" if len(keys) > 3 else ""
    return ", ".join(json.dumps(key, ensure_ascii=False) for key in keys[:3]) + more
