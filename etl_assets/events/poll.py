"""Events of an HTTP API: each page is landed as it comes, and the cursor moves with it.

How pages are asked for is `sources/http/`; partners' files are `drops.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from etl_assets.core.http_specs import HttpApi
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, Cursor, land
from etl_assets.events.sent_ids import sent_id_of_any
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.pages import pages


@dataclass(frozen=True)
class Polled:
    """How many pages were read, and how many of their events were new or there already.

    `began_again` says that the API did not know the cursor any more.
    """

    pages: int = 0
    new: int = 0
    again: int = 0
    began_again: bool = False


def poll(database: EventsDatabase, api: HttpApi, client: HttpClient, source: str) -> Polled:
    """Land what comes after the source's cursor, until the API has no more.

    A page and the cursor behind it are one transaction: a poll that fails or dies goes on behind
    the last page that was landed. The last page has no cursor, so that it is read again next time,
    which lands nothing twice. Raises SourceUnavailable, SourceError and ConfigError as the reading
    of pages does; what was landed until then stays.
    """
    with database.transaction(f"reading the cursor of {source}", "ingest") as connection:
        found = connection.execute(
            "SELECT cursor FROM event_cursors WHERE source = %s", [source]
        ).fetchone()
    done = Polled()
    for page in pages(api, client, found[0] if found else None):
        now = datetime.now(UTC)
        arrivals = [Arrival(source, sent_id_of_any(item), item, now) for item in page.items]
        cursor = Cursor(source, page.cursor) if page.cursor is not None else None
        with database.transaction(f"landing a page of {source}", "ingest") as connection:
            landed = land(connection, arrivals, cursor)
        done = Polled(
            done.pages + 1,
            done.new + landed.new,
            done.again + landed.again,
            done.began_again or page.begins_again,
        )
    return done
