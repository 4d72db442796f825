"""The index of a table of files whose rows say their day: of which days each object has rows.

Facts of a content that never change, kept so that an object is read once to know them and not at
each look. What they are counted from is `sources/files/`, where they are kept is the warehouse.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class IndexedObject:
    """A row of `etl_file_days`: how many rows an object has of each day.

    `identity` is the object's content (as in `core.ledger.LedgerEntry`), `read_as` a digest of how
    the spec says that it is read. `days` is JSON: `{"2024-05-17": 3}`; `rows_without_day` counts
    records that have none.
    """

    table_name: str
    object_key: str
    identity: str
    read_as: str
    days: str
    rows_without_day: int


@dataclass(frozen=True)
class ObjectDays:
    """Of which days the rows of one content are: `rows` by day, `without` counts records of none.

    Records without a day (bad lines, rows whose day is missing) belong to the object's `home`.
    """

    identity: str
    read_as: str
    rows: Mapping[date, int] = field(default_factory=dict)
    without: int = 0

    @property
    def home(self) -> date | None:
        """The day that most of the rows are of, the earliest of several; None where no row has
        one: then it is the day on which the object arrived."""
        return min(self.rows, key=lambda day: (-self.rows[day], day), default=None)

    def entry(self, table_name: str, key: str) -> IndexedObject:
        """The row of the index that says this of an object."""
        days = json.dumps({day.isoformat(): rows for day, rows in sorted(self.rows.items())})
        return IndexedObject(table_name, key, self.identity, self.read_as, days, self.without)


def indexed(entries: Iterable[IndexedObject]) -> dict[str, list[ObjectDays]]:
    """What the index says of each object, by key: every content that it knows, once."""
    found: dict[str, dict[tuple[str, str], ObjectDays]] = {}
    for entry in entries:
        rows = {date.fromisoformat(day): n for day, n in json.loads(entry.days).items()}
        days = ObjectDays(entry.identity, entry.read_as, rows, entry.rows_without_day)
        found.setdefault(entry.object_key, {})[entry.identity, entry.read_as] = days
    return {key: list(contents.values()) for key, contents in found.items()}
