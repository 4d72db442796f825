"""A table of an HTTP API as a source: a moment is a reading of its list, whole or day by day.

How requests are sent is `client.py`, pages are `pages.py`; what becomes of rows and bad items is
decided in the pipeline.
"""

import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from etl_assets.core.http_specs import DayWindow
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.base import Source
from etl_assets.sources.extra_columns import with_extra
from etl_assets.sources.files.reading.results import Limits
from etl_assets.sources.found import DayPiece, RejectedLines
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.declared import api_of, columns_of_items
from etl_assets.sources.http.kept_pages import KeptPages, can_go_on, digest_of, kept_pages
from etl_assets.sources.http.landing import land
from etl_assets.sources.http.pages import pages
from etl_assets.sources.reads import Afterwards, DayEvidence, DayRead
from etl_assets.sources.snapshot import Snapshot
from etl_assets.spool import disk_errors, run_spool

if TYPE_CHECKING:
    from etl_assets.sources.http.items import Items

LIMITS = Limits()
"""The bounds of reading; tests make the blocks small."""

_ONE_DAY = timedelta(days=1)
_CANNOT = {
    Ability.CHANGES: "A list of an HTTP API is read whole or day by day.",
    Ability.KEYS: "An HTTP API is not asked for single items.",
    Ability.DIGESTS: "An HTTP API makes no checksums of its items.",
}


class HttpSource(Source):
    """A table of an API; `home` is the folder that takes pages as they are fetched."""

    def __init__(
        self, client: HttpClient, table: LayerTable, home: Path, scope: Scope | None = None
    ) -> None:
        super().__init__(table, None, scope)
        self.client, self.home = client, home

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """Neither changes, nor keys, nor digests."""
        return _CANNOT

    def reach(self) -> None:
        """Ask for the first page of the list, of the first day where days are asked for."""
        api = api_of(self.table)
        day = self.scope.first if self.scope else datetime.now(UTC).date()
        next(pages(api, self.client, params=_bounds(api.window, day)), None)

    def rows_without_day(self) -> int:
        """None: an item that has no day itself is set aside on a day of its list."""
        return 0

    @contextmanager
    def snapshot(self) -> Iterator["HttpSnapshot"]:
        """A moment at which nothing is fetched yet; raises ConfigError."""
        shown = self.client.shown(api_of(self.table))
        with run_spool(self.home, f"http-{uuid.uuid4().hex}", self.table.name) as folder:
            yield HttpSnapshot(self.client, self.table, shown, folder, self.home)


class HttpSnapshot(Snapshot):
    """A reading of the list, which is fetched when the first day of it is asked for."""

    def __init__(
        self, client: HttpClient, table: LayerTable, shown: str, folder: Path, home: Path
    ) -> None:
        self.client, self.table, self.folder, self.home = client, table, folder, home
        self.api, self.shown = api_of(table), shown
        self.source = f"http:{self.shown}"
        self.as_of = datetime.now(UTC)
        # What names the items have is known when they are read: see `HttpDay.afterwards`.
        self.columns = [(column.name, str(column.dtype)) for column in columns_of_items(table)]

    @cached_property
    def whole(self) -> "Items":
        """The whole list; raises what fetching raises."""
        return self._items(None)

    def items(self, day: date) -> "Items":
        """What the day is read from: a series of requests of its own, or the whole list."""
        return self.whole if self.api.window is None else self._items(day)

    def _items(self, day: date | None) -> "Items":
        # Its libraries take their time to import, and asking whether an API answers needs none.
        from etl_assets.sources.http.items import read_items

        window, name = self.api.window, day.isoformat() if day else "whole"
        params = _bounds(window, day) if day else {}
        own = self.folder / f"{name}-{uuid.uuid4().hex}.jsonl"
        with self._kept(params) as kept:
            lines = kept.lines if kept else own
            landed = land(self.api, self.client, params, lines, LIMITS, kept)
            try:
                return read_items(
                    self.table,
                    landed,
                    own.with_suffix(""),
                    LIMITS,
                    self.api.newest,
                    day,
                    only=window is not None and window.overlap > timedelta(0),
                )
            finally:  # it is whole: another reading is to begin anew
                kept.forget() if kept else own.unlink()

    @contextmanager
    def _kept(self, params: Mapping[str, str]) -> Iterator[KeptPages | None]:
        """What an earlier reading of the list left that broke off, where one may go on."""
        seconds = self.client.resume_seconds
        if not seconds or not can_go_on(self.api):
            yield None
            return
        digest = digest_of(self.api, self.table.path, self.shown, params)
        with disk_errors(self.home), kept_pages(self.home, digest, seconds) as kept:
            yield kept

    def query(self, day: date, items: "Items") -> str:
        """The request and what it found, without secrets."""
        asked = {**self.api.params, **(_bounds(self.api.window, day))}
        params = f"?{urlencode(asked)}" if asked else ""
        return f"GET {self.shown}{params}: {items.told}"

    def day(self, day: date) -> "HttpDay":
        """A day of the list, not read yet."""
        return HttpDay(self, day)


@dataclass
class HttpDay(DayRead):
    """A `DayRead` of the items of one day."""

    snapshot: HttpSnapshot
    day: date

    @property
    def source(self) -> str:
        """The URL, without parameters and secrets."""
        return self.snapshot.source

    @cached_property
    def items(self) -> "Items":
        """What was fetched; raises what fetching raises."""
        return self.snapshot.items(self.day)

    def evidence(self) -> DayEvidence:
        """All that was received of the day, each item once, and the keys that came again.

        Raises SourceUnavailable and SourceError.
        """
        return DayEvidence(
            # Pages of an earlier reading are older: what was published since then is newer.
            as_of=min(self.snapshot.as_of, self.items.landed.as_of),
            row_count=self.items.count(self.day),
            query=self.snapshot.query(self.day, self.items),
            drift=self.snapshot.drift,
            repeated=self.items.resolved.repeated,
        )

    def batches(self) -> Generator[DayPiece, None, None]:
        """The day's rows, then its bad items."""
        yield from self.items.frames(self.day)
        bad = self.items.bad.get(self.day, ())
        if bad:
            position = self.items.landed.position
            yield RejectedLines(
                [f"{one.column or 'item'}: {one.reason}" for one in bad],
                [f"{self.source} {position(one.line)}" for one in bad],
                [one.raw for one in bad],
            )

    def afterwards(self) -> Afterwards:
        """The names that items have and the contract does not; raises ContractMismatch."""
        snapshot, extra = self.snapshot, dict.fromkeys(self.items.extra, "of items")
        report = with_extra(
            snapshot.table, snapshot.columns, extra, snapshot.drift, self.day, of="Items"
        )
        return Afterwards(drift=report)


def _bounds(window: DayWindow | None, day: date) -> dict[str, str]:
    """The parameters that bound a day; none where the whole list is read."""
    if window is None:
        return {}
    begin = datetime.combine(day, time(), UTC)
    end = begin if window.inclusive else begin + _ONE_DAY
    return {
        window.since: (begin - window.overlap).strftime(window.format),
        window.until: (end + window.overlap).strftime(window.format),
    }
