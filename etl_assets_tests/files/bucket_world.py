"""A bucket whose objects are known because they were made, and the platform that follows it.

What it should hold is computed from how its objects were made, not by reading them. Which histories
it goes through is decided in `test_simulated_files.py`.
"""

import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl_assets.config import FilesSettings
from etl_assets.core.errors import EtlError, SourceUnavailable, WarehouseUnavailable
from etl_assets.core.ledger import FileStatus
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec
from etl_assets.pipeline.file_watch import Watch
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.store import ObjectStore
from etl_assets_tests.files import by_rows
from etl_assets_tests.files.arrivals import ARRIVED, Dated
from etl_assets_tests.files.by_rows import BY_ROWS
from etl_assets_tests.files.shipments import (
    DAY,
    HEADER,
    NEXT,
    SPEC,
    Place,
    Shipments,
    open_shipments,
)

DAYS, NAMES = (DAY, NEXT), ("a.csv", "b.csv.gz")
HASTY = FilesSettings(recent_days=1, sweep=0, tick=0)
LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_change=1e9)
BAD_RULE = "0,1,DHL"
BAD_LINES = ("x,1,DHL", "1,1", "1,1.23456,DHL", '1,"1"2,DHL', BAD_RULE, ",1,DHL")


@dataclass(frozen=True)
class Kind:
    """A table by where its days come from."""

    spec: TableSpec
    header: str = HEADER

    @property
    def day_from(self) -> str:
        assert isinstance(self.spec.source, Files)
        return self.spec.source.day_from


KINDS = {
    "key": Kind(SPEC),
    "arrival": Kind(ARRIVED),
    "rows": Kind(BY_ROWS, by_rows.HEADER),
}


@dataclass(frozen=True)
class Content:
    """An object as it was made: a number for each good line, a text for each bad one."""

    lines: Sequence[int | str]
    is_cut: bool = False

    def encoded(self, name: str, kind: Kind) -> bytes:
        day_from = kind.day_from
        texts = [
            f"{one},{one}.5,DHL{f',{day_of(one)}' if day_from == 'rows' else ''}"
            if isinstance(one, int)
            else f"{one}{f',{DAY}' if day_from == 'rows' else ''}"
            for one in self.lines
        ]
        plain = (kind.header + "".join(f"{text}\n" for text in texts)).encode()
        packed = gzip.compress(plain, mtime=0) if name.endswith(".gz") else plain
        return packed[: -9 if name.endswith(".gz") else -1] if self.is_cut else packed

    def rows(self, name: str, day: date) -> list[dict[str, Any]]:
        if self.is_cut:
            return []
        return [
            {
                "shipment_id": one,
                "weight_kg": Decimal(one) + Decimal("0.5"),
                "carrier": "DHL",
                "delivered_on": day,
                "file": name,
                "line": number,
            }
            for number, one in enumerate(self.lines, 2)
            if isinstance(one, int)
        ]

    def counts(self, name: str, kind: Kind, arrived: date) -> dict[date, tuple[int, int, int]]:
        """How many lines are read, published and set aside on each day of the object."""
        good = [one for one in self.lines if isinstance(one, int)]
        bad = len(self.lines) - len(good)
        # A line that breaks a rule of the contract alone has a day like any other.
        broken = sum(one == BAD_RULE for one in self.lines)
        days = Counter([*map(day_of, good), *[DAY] * broken])
        if kind.day_from != "rows" or self.is_cut or not days:
            day = arrived if kind.day_from != "key" else day_of_key(name)
            return {day: (0, 0, 0) if self.is_cut else (len(self.lines), len(good), bad)}
        home = min(days, key=lambda day: (-days[day], day))
        found = {}
        for day, rows in days.items():
            aside = (broken if day == DAY else 0) + (bad - broken if day == home else 0)
            published = rows - (broken if day == DAY else 0)
            found[day] = (published + aside, published, aside)
        return found


def day_of(number: int) -> date:
    """The day of a good line in a table whose rows say it."""
    return DAYS[number % 2]


def day_of_key(name: str) -> date:
    return next(day for day in DAYS if name.startswith(f"shipments/{day:%Y/%m/%d}/"))


class Faulty(ObjectStore):
    """A store whose next listing or read breaks off, or whose objects change under a reader."""

    def __init__(self, store: ObjectStore, world: "World") -> None:
        super().__init__(store.location)
        self._store, self._world = store, world

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        if self._world.take("listing"):
            for page in self._store.list(after, below):
                yield page[: (len(page) + 1) // 2]
                break
            raise SourceUnavailable("The store broke off.", "Run it again.")
        yield from self._store.list(after, below)

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        if self._world.take("read"):
            yield next(self._store.read(stored), b"")[:20]
            raise SourceUnavailable("The store broke off.", "Run it again.")
        if self._world.take("change"):
            self._world.put(stored.key, Content([7, 8, 9, "x,1,DHL"]))
        for chunk in self._store.read(stored):  # small, so that blocks come before the file's end
            yield from (chunk[at : at + 16] for at in range(0, len(chunk), 16))


@dataclass
class World:
    """The bucket as it was made, and the platform that follows it."""

    place: Place
    folder: Path
    kind: Kind
    held: dict[str, Content] = field(default_factory=dict)
    moments: dict[str, datetime] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    watch: Watch = field(default_factory=Watch)

    def take(self, fault: str) -> bool:
        """Whether the fault was armed; it happens once."""
        armed = fault in self.faults
        self.faults.discard(fault)
        return armed

    def put(self, name: str, content: Content) -> None:
        self.held[name] = content
        self.moments[name] = datetime.combine(DAYS[len(content.lines) % 2], time(9), UTC)
        self.place.put(name, content.encoded(name, self.kind))

    def turn(self, name: str) -> None:
        """Other bytes of the same size: the lines the other way round, written a day later."""
        content = self.held.get(name)
        if content is not None:
            moment = self.moments[name]
            self.put(name, Content(content.lines[::-1], content.is_cut))
            self.moments[name] = moment if moment.date() == DAYS[1] else moment + ONE_DAY

    def lose(self, name: str) -> None:
        """The index forgets an object; a fault that is armed is for the platform's own writing."""
        armed, self.faults = self.faults, set()
        with self.platform() as opened:
            opened.platform.warehouse.put_file_days(opened.table, [name], [])
        self.faults = armed

    def delete(self, name: str) -> None:
        if self.held.pop(name, None) is not None:
            self.place.delete(name)

    @contextmanager
    def platform(self) -> Iterator[Shipments]:
        """The platform in a program of its own: nothing is remembered but what is published."""
        home, spec = self.folder / "home", self.kind.spec
        with open_shipments(self.place, home, HASTY, spec=spec, thresholds=LENIENT) as opened:
            found = opened.platform.sources.store
            opened.platform.sources.store = lambda table: Faulty(  # type: ignore[method-assign]
                Dated(found(table), self.moments), self
            )
            publish = opened.platform.warehouse.publish
            put_file_days = opened.platform.warehouse.put_file_days

            def forgetting(*given: Any) -> None:
                if self.take("index"):
                    raise WarehouseUnavailable("It went away.", "Run it again.")
                put_file_days(*given)

            def breaking(publication: Any) -> Any:
                if self.take("before the publication"):
                    raise WarehouseUnavailable("It went away.", "Run it again.")
                done = publish(publication)
                if self.take("after the publication"):
                    raise WarehouseUnavailable("Its answer was lost.", "Run it again.")
                return done

            opened.platform.warehouse.publish = breaking  # type: ignore[method-assign]
            opened.platform.warehouse.put_file_days = forgetting  # type: ignore[method-assign]
            yield opened

    def load(self, days: Sequence[date]) -> None:
        """Load these days in a program of its own, or what is late; it may break off."""
        try:
            with self.platform() as opened:
                chosen = list(days) or self.seen(opened)
                if chosen:
                    opened.load(*chosen)
        except EtlError:
            pass
        finally:
            self.faults.clear()

    def seen(self, opened: Shipments) -> list[date]:
        """The days that a tick of the sensor finds late; its listings are small parts of a sweep.

        Its memory may be lost.
        """
        if self.kind.day_from == "rows":  # as a run of `index_files` does
            opened.platform.index_files(opened.table)
        memory = Watch() if self.take("cursor") else self.watch
        look, watched = opened.platform.watch_files(opened.table, memory)
        self.watch = watched.watch
        return [one.day for one in look.late]

    def is_held(self) -> None:
        """Each day is what the bucket holds, and the ledger has each object."""
        with self.platform() as opened:
            sweeps = 0
            while sweeps < 3:  # the first was begun before, and an object may change under a load
                late = self.seen(opened)
                if late:
                    opened.load(*late)
                sweeps += self.watch.sweep is not None and self.watch.sweep.is_over
            assert opened.late() == []
            entries = opened.platform.warehouse.ledger(opened.table)
            published = {day: opened.published(day) for day in DAYS}
        for day in DAYS:
            assert published[day] == [
                row
                for name in sorted(self.held)
                for row in self.held[name].rows(name, day)
                if day == self.day(name, row["shipment_id"])
            ]
        ledger = {
            (entry.object_key, entry.partition_key): (
                entry.status,
                (entry.rows_read, entry.rows_published, entry.rows_quarantined),
            )
            for entry in entries
        }
        assert ledger == {
            (name, day): (FileStatus.REFUSED if content.is_cut else FileStatus.LOADED, counts)
            for name, content in self.held.items()
            for day, counts in content.counts(name, self.kind, self.moments[name].date()).items()
        }

    def day(self, name: str, number: int) -> date:
        """The day of a good line of an object."""
        if self.kind.day_from == "rows":
            return day_of(number)
        arrived = self.moments[name].date()
        return arrived if self.kind.day_from == "arrival" else day_of_key(name)
