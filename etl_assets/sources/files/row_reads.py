"""Objects whose rows are of several days, read day by day.

The first day that is asked for is read from the object and the rest of it dropped; with the second
one the object's rows go to the disk, sorted by their days, so that it is read once more and not
once for each day. Which days an object has is `row_days.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.errors import ObjectChanged
from etl_assets.core.file_index import ObjectDays
from etl_assets.core.frames import DAY
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.listing import arrival_of
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import Block, FileRefused, Limits
from etl_assets.sources.files.row_days import dated
from etl_assets.spool import CHUNK_ROWS, disk_errors

if TYPE_CHECKING:
    from etl_assets.sources.files.reading.read import Reading


@dataclass
class RowReads:
    """Of one snapshot: `read` reads an object, `forget` drops what the index says of it.

    `folder` takes what is kept on the disk. `extra` are the columns of each object, by key, that
    the contract does not have; it is complete when the object was read.
    """

    table: LayerTable
    read: "Callable[[StoredObject], Reading]"
    forget: Callable[[str], None]
    folder: Path
    limits: Limits
    extra: dict[str, list[str]] = field(default_factory=dict)
    _kept: "dict[str, SortedRows]" = field(default_factory=dict)

    def blocks(self, stored: StoredObject, days: ObjectDays, day: date) -> Iterator[Block]:
        """The rows of the day, and on the object's home day its bad lines as well.

        Raises FileRefused, ObjectChanged where the object has other rows than the index says, and
        what reading raises.
        """
        home = days.home or arrival_of(stored)
        kept = self._kept.get(stored.key)
        if kept is not None and not (day == home and days.without):
            for frame in kept.of(day):
                yield Block(frame)
            return
        # Its columns are known: another day of it was asked for before.
        is_asked_again = stored.key in self.extra and kept is None and len(days.rows) > 1
        keep = SortedRows(self.folder / f"{len(self._kept):06d}") if is_asked_again else None
        yield from self._from_object(stored, days, day, is_home=day == home, keep=keep)
        if keep is not None:
            keep.close()
            self._kept[stored.key] = keep

    def _from_object(
        self,
        stored: StoredObject,
        days: ObjectDays,
        day: date,
        *,
        is_home: bool,
        keep: "SortedRows | None",
    ) -> Iterator[Block]:
        rows = without = 0
        reading = self.read(stored)
        try:
            for block in reading:
                found = dated(block, self.table, self.limits.raw_characters)
                if keep is not None:
                    keep.write(found.frame)
                frame = found.frame.filter(pl.col(DAY) == day).drop(DAY)
                rows, without = rows + frame.height, without + len(found.bad)
                if frame.height or (is_home and found.bad):
                    yield Block(frame, found.bad if is_home else ())
        except FileRefused:
            if days.rows or days.without:
                raise self._other_days(stored) from None
            raise
        if (rows, without, reading.summary.records) != (
            days.rows.get(day, 0),
            days.without,
            sum(days.rows.values()) + days.without,
        ):
            raise self._other_days(stored)
        self.extra[stored.key] = list(reading.summary.extra)

    def _other_days(self, stored: StoredObject) -> ObjectChanged:
        self.forget(stored.key)
        return ObjectChanged(
            f"The object {stored.key!r} of {self.table.path} has rows of other days than the index "
            "of its table says.",
            "It is read again; if this comes back, file a bug.",
        )


class SortedRows:
    """Rows of several days on the disk: files of bounded size, each sorted by DAY."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[tuple[Path, dict[date, tuple[int, int]]]] = []
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows that have a DAY."""
        if frame.height:
            self._pending.append(frame)
            self._pending_rows += frame.height
            if self._pending_rows >= CHUNK_ROWS:
                self.close()

    def close(self) -> None:
        """Write what is pending; raises DiskFull."""
        if not self._pending:
            return
        frame = pl.concat(self._pending).sort(DAY, maintain_order=True)
        path = self._folder / f"{len(self._files):05d}.parquet"
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(path, compression="snappy", statistics=False, row_group_size=16_384)
        places, at = {}, 0
        for day, rows in frame.group_by(DAY, maintain_order=True).len().iter_rows():
            places[day] = at, rows
            at += rows
        self._files.append((path, places))
        self._pending.clear()
        self._pending_rows = 0

    @property
    def paths(self) -> Sequence[Path]:
        """The files, once it is closed."""
        return [path for path, _ in self._files]

    @property
    def rows(self) -> Counter[date]:
        """How many rows each day has, once it is closed."""
        found = Counter[date]()
        for _, places in self._files:
            found.update({day: rows for day, (_, rows) in places.items()})
        return found

    def of(self, day: date) -> Iterator[pl.DataFrame]:
        """The rows of a day, in the order in which they were written, without DAY."""
        for path, places in self._files:
            if day in places:
                lazy = pl.scan_parquet(path, glob=False).slice(*places[day])
                yield lazy.collect().drop(DAY)
