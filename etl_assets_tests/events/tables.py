"""What stands in the database of events, for tests."""

from typing import Any

import psycopg


def query(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values or None).fetchall()  # type: ignore[call-overload]


def landed(url: str) -> list[tuple[Any, ...]]:
    """(source, event id, payload) of everything that landed."""
    return query(url, "SELECT source, event_id, payload FROM staging_events ORDER BY 1, 2, 3")
