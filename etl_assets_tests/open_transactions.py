"""Sessions that stay in a transaction, and the horizon that a sync sees beside them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from etl_assets.core.position import Horizon
from etl_assets.sources.postgres.horizon import HorizonPolicy, read_horizon

AT_ONCE = HorizonPolicy(prepared_wait=timedelta(0))
WATERMARK = datetime(2024, 5, 17, tzinfo=UTC)
MARGIN = AT_ONCE.margin
HOUR = timedelta(hours=1)


def look(
    url: str, policy: HorizonPolicy = AT_ONCE, watermark: datetime | None = WATERMARK
) -> Horizon:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return read_horizon(connection, policy, watermark)


@contextmanager
def writer(url: str, *statements: str, **options: Any) -> Iterator[psycopg.Connection]:
    """A session that has executed the statements and stays in the transaction."""
    with closing(psycopg.connect(url, **options)) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection


def start_of(connection: psycopg.Connection) -> datetime:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    started: datetime = row[0]
    return started
