"""Shipments by the day on which their files arrive, from a store whose moments a test may say."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.store import ObjectStore
from etl_assets_tests.files.shipments import SOURCE, SPEC, RawShipments


class ByArrival(RawShipments):
    """A line of a file, whose day is that of arrival."""

    class Config:
        """The key."""

        unique = ("delivered_on", "file", "line")


ARRIVED = replace(
    SPEC,
    source=replace(SOURCE, pattern="shipments/**.csv*", day_from="arrival"),
    raw=ByArrival,
    staged=ByArrival,
)


class Dated(ObjectStore):
    """A store that says of some objects that they were written at the moments of `moments`."""

    def __init__(self, store: ObjectStore, moments: dict[str, datetime]) -> None:
        super().__init__(store.location)
        self._store, self._moments = store, moments

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        for page in self._store.list(after, below):
            yield [
                replace(stored, modified=self._moments.get(stored.key, stored.modified))
                for stored in page
            ]

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        return self._store.read(stored)
