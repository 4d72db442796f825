"""The partitions of `events`: a day each, made ahead and on demand."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import psycopg
from psycopg import sql

from etl_assets.core.partitions import ONE_DAY

_LOCK: Final = 0x65767470  # "evtp": who makes partitions of `events` holds it


def partition_of(day: date) -> str:
    """The name of a day's partition: `events_p20240131`."""
    return f"events_p{day:%Y%m%d}"


def ensure_partitions(connection: psycopg.Connection[Any], days: Iterable[date]) -> list[date]:
    """Make the partitions of these days that are not there; returns the days of those.

    They are made in the connection's transaction (READ COMMITTED) and are there for others when it
    ends. Others read and write `events` meanwhile: a partition is made apart and then attached,
    which locks nobody out. Of two makers at once the second one waits for the end of the first
    one's transaction, so make them early in a short one.
    """
    wanted = sorted(set(days))
    if not _missing(connection, wanted):
        return []
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    missing = _missing(connection, wanted)
    for day in missing:
        _make(connection, day)
    return missing


def _missing(connection: psycopg.Connection[Any], days: list[date]) -> list[date]:
    # Not by to_regclass: it may remember that there was no such table, until a table is locked.
    found = connection.execute(
        "SELECT relname FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%s)",
        [[partition_of(day) for day in days]],
    ).fetchall()
    there = {name for (name,) in found}
    return [day for day in days if partition_of(day) not in there]


def _make(connection: psycopg.Connection[Any], day: date) -> None:
    name = sql.Identifier("public", partition_of(day))
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE public.events INCLUDING ALL)").format(name))
    connection.execute(
        sql.SQL(
            "ALTER TABLE public.events ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
        ).format(name, sql.Literal(day.isoformat()), sql.Literal((day + ONE_DAY).isoformat()))
    )
