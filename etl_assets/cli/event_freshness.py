"""How fresh the sources of events are, printed: a part of `etl-assets status`, and of its JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_assets.cli.output import Cell, print_table, print_warning
from etl_assets.core.errors import EtlError

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.events.freshness import SourceFreshness


def print_freshness(settings: "Settings") -> None:
    """A line for each source of events; nothing where no EVENTS_DATABASE_URL is set.

    That the database is away is one warning, and takes three seconds at most.
    """
    if settings.events_database_url is None:
        return
    from etl_assets.events.freshness import look, notes

    try:
        found = look(settings)
    except EtlError as error:
        print_warning(f"Events: {error}")
        return
    columns = {
        "source": "left",
        "newest received at": "left",
        "ago": "right",
        "pending": "right",
        "oldest pending": "right",
        "quarantined": "right",
    }
    now = datetime.now(UTC)
    if found:
        print_table("Events by source", columns, [_cells(one, now) for one in found])
    for note in notes(found):
        print_warning(note)


def as_dicts(found: "Iterable[SourceFreshness]") -> list[dict[str, Any]]:
    """For JSON, with moments in UTC."""
    return [
        {name: _utc(value) if isinstance(value, datetime) else value for name, value in told}
        for told in (asdict(one).items() for one in found)
    ]


def _cells(one: "SourceFreshness", now: datetime) -> list[Cell]:
    from etl_assets.pipeline.status import ago

    oldest = one.oldest_pending_at
    return [
        one.source,
        f"{_utc(one.newest_at):%Y-%m-%d %H:%M:%S}",
        ago(now - one.newest_at),
        (_at_most(one.pending), "yellow" if one.pending else ""),
        ago(now - oldest) if oldest else "—",
        (_at_most(one.quarantined), "red" if one.quarantined else ""),
    ]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _at_most(number: int) -> str:
    from etl_assets.events.freshness import MOST

    return f"{number:,}" if number <= MOST else f"more than {MOST:,}"
