"""How fresh the sources of events are, printed: a part of `etl-assets status`, and of its JSON."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_assets.cli.output import Cell, Column, Row, Table, print_rows, print_warning
from etl_assets.core.errors import EtlError

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.events.freshness import SourceFreshness

_SECOND = "%Y-%m-%d %H:%M:%S"


def print_freshness(settings: "Settings") -> None:
    """A line for each source of events; nothing where no EVENTS_DATABASE_URL is set.

    That the database is away is one warning, and takes three seconds at most.
    """
    found = _found(settings)
    if not found:
        return
    from etl_assets.events.freshness import notes

    now = datetime.now(UTC)
    columns = (
        Column("source"),
        Column("newest_at", "newest received at", lambda row: f"{row['newest_at']:{_SECOND}}"),
        Column("ago", text=lambda row: _ago(row["newest_at"], now), right=True),
        Column("pending", text=_at_most("pending", "yellow"), right=True),
        Column("oldest", "oldest pending", lambda row: _ago(row["oldest_pending_at"], now), True),
        Column("quarantined", text=_at_most("quarantined", "red"), right=True),
    )
    print_rows(Table("events", "Events by source", columns, as_dicts(found)))
    for note in notes(found):
        print_warning(note)


def freshness_rows(settings: "Settings") -> list[dict[str, Any]]:
    """The same as rows; none where no EVENTS_DATABASE_URL is set, or the database is away."""
    return as_dicts(_found(settings))


def _found(settings: "Settings") -> "list[SourceFreshness]":
    if settings.events_database_url is None:
        return []
    from etl_assets.events.freshness import look

    try:
        return look(settings)
    except EtlError as error:
        print_warning(f"Events: {error}")
        return []


def as_dicts(found: "Iterable[SourceFreshness]") -> list[dict[str, Any]]:
    """For JSON, with moments in UTC."""
    return [
        {name: _utc(value) if isinstance(value, datetime) else value for name, value in told}
        for told in (asdict(one).items() for one in found)
    ]


def _ago(moment: datetime | None, now: datetime) -> str:
    from etl_assets.pipeline.status import ago

    return ago(None if moment is None else now - moment)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _at_most(name: str, color: str) -> Callable[[Row], Cell]:
    """The cell of a number that is counted up to a bound."""

    def cell(row: Row) -> Cell:
        from etl_assets.events.freshness import MOST

        number = row[name]
        text = f"{number:,}" if number <= MOST else f"more than {MOST:,}"
        return text, color if number else ""

    return cell
