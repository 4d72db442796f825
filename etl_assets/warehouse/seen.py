"""What readers see: in an environment its own parts, and of all else what production has.

A part of a table is the environment's where that has published it, and else production's. Columns
that a contract gained and that nobody brought yet are NULL (`as_published.py`). Writing goes to the
environment alone, by its own warehouse: whatever would write here is refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import NoReturn

import polars as pl

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.frames import DAY
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import Window
from etl_assets.core.readings import is_reading
from etl_assets.core.reload_reasons import lacks, with_lacks
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse import as_published
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.publication import Facts, JobCost, Publication, StagedDay, Staging


class Seen(Warehouse):
    """A warehouse `own` to be read, and where it is an environment's before `behind`, production's.

    Nothing can be written by it.
    """

    is_read_only = True

    def __init__(self, own: Warehouse, behind: Warehouse | None) -> None:
        self.own, self.behind = own, behind

    @property
    def seen(self) -> "Warehouse":
        """Itself."""
        return self

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Rows.read`."""
        ours, theirs = self._parts(table)
        own = as_published.read(self.own, table, windows, folder / "own")
        if self.behind is None or not theirs:
            return own
        if not ours:
            return as_published.read(self.behind, table, windows, folder / "production")
        if keeps_all(table):
            rest = as_published.read(self.behind, table, windows, folder / "production")
            pairs = zip(own.frames, rest.frames, strict=True)
            frames = [pl.concat(pair).unique(table.key, keep="first") for pair in pairs]
            return Extract(frames, min(own.as_of, rest.as_of))
        if not table.has_days:
            return own
        others = [one for one in windows if any(day in theirs for day in one.days())]
        rest = as_published.read(self.behind, table, others, folder / "production")
        there = dict(zip(others, rest.frames, strict=True))
        frames = [
            pl.concat([frame, _without(table, there[window], ours)]) if window in there else frame
            for window, frame in zip(windows, own.frames, strict=True)
        ]
        return Extract(frames, min(own.as_of, rest.as_of))

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Rows.lookup`."""
        ours, theirs = self._parts(table)
        own = as_published.lookup(self.own, table, keys, folder / "own")
        if self.behind is None or not theirs:
            return own
        rows = as_published.lookup(self.behind, table, keys, folder / "production")
        if not ours:
            return rows
        if keeps_all(table):
            return pl.concat([own, rows]).unique(table.key, keep="first")
        return pl.concat([own, _without(table, rows, ours)]) if table.has_days else own

    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """See `Rows.profile`."""
        ours, theirs = self._parts(table)
        if self.behind is None or not theirs:
            return as_published.profile(self.own, table, days, among)
        own = as_published.profile(self.own, table, [d for d in days if d in ours], among)
        rest = as_published.profile(self.behind, table, [d for d in days if d in theirs], among)
        return pl.concat([own, rest.select(own.columns)]).sort(DAY)

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Rows.digests`."""
        if self.behind is None:
            return self.own.digests(table, days, buckets)
        ours, theirs = self._parts(table)
        own = self.own.digests(table, [day for day in days if day in ours], buckets)
        rest = self.behind.digests(table, [day for day in days if day in theirs], buckets)
        return pl.concat([own, rest])

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Rows.row_digests`."""
        _, theirs = self._parts(table)
        side = self.behind if self.behind is not None and day in theirs else self.own
        return side.row_digests(table, day, buckets, among)

    def fit(self, table: LayerTable) -> Fit | None:
        """See `Rows.fit`: of the environment's own table, where it has one."""
        found = self.own.fit(table)
        return self.behind.fit(table) if found is None and self.behind is not None else found

    def size(self, table: LayerTable) -> int | None:
        """See `Rows.size`."""
        sides = [self.own, *([self.behind] if self.behind is not None else [])]
        known = [size for side in sides if (size := side.size(table)) is not None]
        return max(known) if known else None

    def version(self) -> str | None:
        """See `StateStore.version`."""
        own = self.own.version()
        if self.behind is None or own is None:
            return own
        other = self.behind.version()
        return None if other is None else fingerprint([own, other])

    def table_states(self) -> list[TableState]:
        """See `StateStore.table_states`: of a table that both have it is the environment's own row.

        Parts of production that lack columns of the contract by which the environment published are
        told in it as such.
        """
        own = {row.table_name: row for row in self.own.table_states()}
        if self.behind is None:
            return list(own.values())
        theirs = {row.table_name: row for row in self.behind.table_states()}
        ours = {(one.table_name, one.partition_key) for one in self.own.state()}
        kept: dict[str, list[date]] = {}
        for one in self.behind.state():
            if (one.table_name, one.partition_key) not in ours:
                kept.setdefault(one.table_name, []).append(one.partition_key)
        both = {
            name: _together(row, theirs[name], kept.get(name, ()))
            for name, row in own.items()
            if name in theirs
        }
        found = {**theirs, **own, **both}
        return [found[name] for name in sorted(found)]

    def table_state(self, table: LayerTable) -> TableState | None:
        """The table's row as readers see it; nothing is upgraded for it."""
        return self.own_row(table)

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `StateStore.state`."""
        if self.behind is None:
            return self.own.state(table)
        found = {(one.table_name, one.partition_key): one for one in self.behind.state(table)}
        for one in self.own.state(table):
            place = (one.table_name, one.partition_key)
            before = found.get(place)
            is_kept = one.is_of_versions and not is_reading(one.table_name)
            found[place] = _both(one, before) if before is not None and is_kept else one
        return [found[place] for place in sorted(found)]

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        own = self.own.quarantine_counts(table)
        if self.behind is None:
            return own
        ours, _ = self._parts(table)
        theirs = self.behind.quarantine_counts(table)
        return {**{day: number for day, number in theirs.items() if day not in ours}, **own}

    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        own = self.own.quarantined(table, positions=positions, days=days)
        if self.behind is None:
            return own
        ours, _ = self._parts(table)
        theirs = self.behind.quarantined(table, positions=positions, days=days)
        return pl.concat([own, theirs.filter(~pl.col("partition_key").is_in(sorted(ours)))])

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        own = self.own.tombstones(table)
        if self.behind is None:
            return own
        return pl.concat([self.behind.tombstones(table), own]).sort("found_at", "payload")

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        own = self.own.ledger(table)
        if self.behind is None:
            return own
        ours, _ = self._parts(table)
        theirs = [one for one in self.behind.ledger(table) if one.partition_key not in ours]
        return sorted([*theirs, *own], key=lambda one: (one.partition_key, one.object_key))

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`."""
        behind = self.behind.file_days(table) if self.behind is not None else []
        found = {one.object_key: one for one in [*behind, *self.own.file_days(table)]}
        return [found[key] for key in sorted(found)]

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`: an environment's own."""
        return self.own.fields(table)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        own = self.own.history(table, kind, most)
        behind = self.behind.history(table, kind, most) if self.behind is not None else []
        return sorted([*own, *behind], key=lambda entry: entry.at, reverse=True)[:most]

    def close(self) -> None:
        """See `Warehouse.close`."""
        self.own.close()
        if self.behind is not None:
            self.behind.close()

    def _parts(self, table: LayerTable) -> tuple[set[date], set[date]]:
        """The parts that the environment has, and those that are production's."""
        if self.behind is None:
            return set(), set()
        ours = {one.partition_key for one in self.own.state(table)}
        theirs = {one.partition_key for one in self.behind.state(table)}
        return ours, theirs if keeps_all(table) else theirs - ours

    def ensure(self, table: LayerTable) -> Sequence[str]:
        """Refused."""
        raise _refused(table.path)

    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """Refused."""
        del days, run_id
        raise _refused(table.path)

    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """Refused: it is asked before a publication."""
        del elsewhere, versions
        raise _refused(staging.table.path)

    def publish(self, publication: Publication) -> Sequence[JobCost]:
        """Refused."""
        raise _refused(publication.table.path)

    def discard(self, staging: Staging) -> None:
        """Refused."""
        raise _refused(staging.table.path)

    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """Refused."""
        del token, history
        raise _refused(table_state.table_name)

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """Refused."""
        del days, moment
        raise _refused(table.path)

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """Refused."""
        raise _refused(", ".join(entry.table_name for entry in history))

    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """Refused."""
        del keys, found
        raise _refused(table.path)

    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """Refused."""
        del parts, found
        raise _refused(table.path)

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`: of the one that would be written to."""
        return self.own.tables_version()

    def migrate(self) -> NoReturn:
        """Refused."""
        raise _refused("the platform's own tables")


def _refused(what: str) -> TypeError:
    return TypeError(f"What is published is only read here, and {what} was to be written.")


def keeps_all(table: LayerTable) -> bool:
    """Whether it keeps every version that was seen: then the rows of both count on every part."""
    return table.source is None and not table.is_derived and not is_reading(table.path)


def _without(table: LayerTable, rows: pl.LazyFrame, parts: Collection[date]) -> pl.LazyFrame:
    return rows.filter(~pl.col(table.day_column).cast(pl.Date).is_in(sorted(parts)))


def _together(own: TableState, theirs: TableState, kept: Sequence[date]) -> TableState:
    """The environment's row, with what is to be known of the parts that production has."""
    declared, known = own.published_columns or {}, theirs.published_columns
    gained = [name for name in declared if known is not None and name not in known]
    before, reasons = theirs.reload_reasons, {}
    for part in kept:
        if gained:
            reasons[part] = with_lacks(before.get(part), lacks(gained, "of production"))
        elif part in before:
            reasons[part] = before[part]
    return own.with_days_to_reload({**reasons, **own.reload_reasons})


def _both(own: PartitionState, theirs: PartitionState) -> PartitionState:
    marks = [one.high_watermark for one in (own, theirs) if one.high_watermark]
    return replace(
        own,
        load_id=fingerprint([own.load_id, theirs.load_id]),
        row_count=own.row_count + theirs.row_count,
        high_watermark=max(marks, default=None),
        updated_at=max(own.updated_at, theirs.updated_at),
    )
