"""What tests of the loader hold in their hands: a database of events, and what stands in it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tenacity

from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, land
from etl_assets.events.load import LoadedEvents, Rules, load_all
from etl_assets.events.shop import SOURCES
from etl_assets.events.sources import mappers_of
from etl_assets_tests.events.arrivals import COLUMNS, Landed, Meant, Row
from etl_assets_tests.source_tables import run

RULES = Rules(mappers_of(SOURCES))


@dataclass(frozen=True)
class Store:
    """The database, and its URL for everything past ours."""

    url: str
    database: EventsDatabase

    def land(self, arrivals: Iterable[Meant]) -> None:
        """All in one transaction."""
        given = [Arrival(a.source, a.event_id, a.payload, a.received_at) for a in arrivals]
        with self.database.transaction("landing events") as connection:
            land(connection, given)

    def load(self, limit: int = 5_000) -> LoadedEvents:
        return load_all(self.database, RULES, limit)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        return run(self.url, *statements)

    def rows(self) -> list[Row]:
        """The rows of `events`, by id."""
        return sorted(self.sql(f"SELECT {COLUMNS} FROM events"))

    def statuses(self) -> Counter[str]:
        """How many rows of landing have which status."""
        return Counter(dict(self.sql("SELECT status, count(*) FROM staging_events GROUP BY 1")))

    def landed(self) -> dict[Landed, str]:
        """The status of each copy in landing."""
        rows = self.sql("SELECT source, event_id, digest, status FROM staging_events")
        return {(source, event_id, digest): status for source, event_id, digest, status in rows}

    def agrees_with_itself(self) -> bool:
        """Whether `event_ids` says of each event where it stands, and landing that it is loaded."""
        wrong = self.sql(
            "SELECT 1 FROM event_ids i FULL JOIN events e USING (event_id) "
            "LEFT JOIN staging_events s ON s.id = i.staging_id "
            "WHERE i.event_date IS DISTINCT FROM e.event_date OR s.status <> 'loaded' "
            "OR (i.occurred_at, i.sequence, i.received_at, i.digest, i.staging_id) "
            "IS DISTINCT FROM "
            "(e.occurred_at, e.sequence, e.received_at, e.payload_digest, e.staging_id)"
        )
        loaded, ids = self.sql(
            "SELECT (SELECT count(*) FROM staging_events WHERE status = 'loaded'), "
            "(SELECT count(*) FROM event_ids)"
        )[0]
        return not wrong and loaded == ids

    def await_waiting(self) -> None:
        """Until a session of the database waits for a lock."""

        def waits() -> bool:
            return bool(
                self.sql(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock'"
                )
            )

        is_false = tenacity.retry_if_result(lambda found: not found)
        stop = tenacity.stop_after_delay(20)
        tenacity.Retrying(retry=is_false, stop=stop, wait=tenacity.wait_fixed(0.01))(waits)

    def clear(self) -> None:
        self.sql("TRUNCATE staging_events, events, event_ids, user_links")
