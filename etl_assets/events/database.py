"""The database of events: its engine, one transaction at a time, and what its errors mean.

No statement about events stands here: landing is `landing.py`, the tables are in `schema.py`.
Nothing outlives a transaction on the server, so that PgBouncer may stand in between.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import psycopg
import sqlalchemy as sa
from psycopg import sql

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError, EtlError, SourceUnavailable
from etl_assets.core.source_specs import EVENTS_CONNECTION
from etl_assets.events.grants import Purpose
from etl_assets.interrupts import interrupt_behind
from etl_assets.postgres.connection import (
    PoolSettings,
    classify,
    driver_of,
    make_engine,
    sqlstate_of,
)

SETTING: Final = "EVENTS_DATABASE_URL"
POOL: Final = PoolSettings(size=20, max_overflow=10, timeout=30, recycle=1800, statement_timeout=60)
"""The events system's pool; times in seconds. Connections are opened when they are needed."""

# A server that vanished without a word is noticed within half a minute, not after hours.
_ALIVE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_LOCK_SECONDS: Final = 10.0
_MIGRATE = "Run etl-assets events migrate, as a role that may create tables."
_WHAT_TO_DO: Final = {
    "25006": f"Let {SETTING} name the primary: what it names now is a standby, or read-only.",
    "42P01": _MIGRATE,
    "42703": _MIGRATE,
    "55P03": "Look in pg_stat_activity for what holds the tables, then run it again.",
    "57014": "Look in pg_stat_activity for what holds the tables, then run it again.",
}

_GRANT = "Let the role that owns the tables run etl-assets events grants ROLE"
_Needs = Purpose | Literal["migrate"] | None
_RIGHTS: Final[dict[_Needs, str]] = {
    "ingest": f"{_GRANT}, where ROLE is the one that {SETTING} names.",
    "read": f"{_GRANT} --for read, where ROLE is the one that {SETTING} names.",
    "migrate": "Run etl-assets events migrate as the role that owns the tables.",
    None: f"Let {SETTING} name the role that owns the tables, then run it again: "
    "etl-assets events grants gives no other role these rights.",
}
"""What to do where the server denies a permission (42501), by the purpose that would give it."""


class EventsDatabase:
    """Connections to one database of events; made without connecting, safe between threads."""

    def __init__(self, url: str, pool: PoolSettings = POOL) -> None:
        """Raises ConfigError for a URL that is none; `url` is in no message."""
        self._pool = pool
        self.engine = make_engine(
            url, pool, setting=SETTING, what="the database of events", options=_ALIVE
        )
        self._is_ready = False
        self._making_ready = threading.Lock()

    @contextmanager
    def transaction(
        self, doing: str, needs: Purpose | None = None
    ) -> Iterator[psycopg.Connection[Any]]:
        """A psycopg connection in a transaction, which is committed at the end of the block.

        `doing` completes a message: "… refused while landing events". `needs` is the purpose of
        `grants.py` that gives the rights, None where only the role that owns the tables has them.
        What is committed survives a crash of the server, whatever its default is. A statement may
        take as long as the pool's `statement_timeout` says. Raises SourceUnavailable, SourceError.
        """
        with self._errors(doing, needs), self.engine.connect() as connection, connection.begin():
            driver = driver_of(connection)
            try:
                driver.execute(self._session(doing))
                yield driver
            finally:
                if driver.closed:  # so that nobody tries to roll it back
                    connection.invalidate()

    def migrate(self) -> tuple[str | None, str]:
        """Bring the tables up to this release: the revision before, None for none, and after.

        Others may land and load meanwhile. Raises SourceUnavailable, SourceError.
        """
        from etl_assets.events import schema  # Alembic takes long to import

        with self._errors("migrating the tables of events", "migrate"):
            # A change of a table that waits lets nobody else at it; it must not wait for long.
            settings = self._session("migrating", seconds=0) + sql.SQL(
                "; SET LOCAL lock_timeout = {}"
            ).format(sql.Literal(round(_LOCK_SECONDS * 1000)))
            return schema.upgrade(self.engine, settings)

    def make_ready(self) -> None:
        """Migrate if the tables are not this release's; looks once in the life of this object.

        A role that may not create tables is enough where there is nothing to do. Raises as
        `migrate` does.
        """
        if self._is_ready:
            return
        from etl_assets.events import schema

        with self._making_ready:
            with (
                self._errors("looking at the tables of events", "ingest"),
                self.engine.begin() as connection,
            ):
                driver_of(connection).execute(self._session("looking"))
                is_ready = schema.revision_of(connection) == schema.newest()
            if not is_ready:
                self.migrate()
            self._is_ready = True

    def close(self) -> None:
        """Close idle connections; another transaction opens new ones."""
        self.engine.dispose()

    def _session(self, doing: str, seconds: int | None = None) -> sql.Composed:
        bound = self._pool.statement_timeout if seconds is None else seconds
        name = f"etl_assets {doing}".encode("ascii", "replace")[:63].decode()
        return sql.SQL(
            "SET LOCAL search_path = public; SET LOCAL synchronous_commit = on; "
            "SET LOCAL statement_timeout = {}; SET LOCAL application_name = {}"
        ).format(sql.Literal(bound * 1000), sql.Literal(name))

    @contextmanager
    def _errors(self, doing: str, needs: _Needs = None) -> Iterator[None]:
        ours: BaseException
        try:
            yield
            return
        except sa.exc.TimeoutError:
            ours = SourceUnavailable(
                f"All connections to the database of events were in use while {doing}.",
                "Let fewer workers run at once, then run it again.",
            )
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            ours = interrupt_behind(error) or _ours(error, doing, needs)
        try:
            raise ours
        finally:
            # The driver's error holds its connection, and that the password: not even as a context.
            ours.__context__ = None


def open_events(
    settings: Settings, pool: PoolSettings = POOL, *, reads_only: bool = False
) -> EventsDatabase:
    """The database of events that the settings name, not connected.

    EVENTS_DATABASE_URL, or else the database `events` of the embedded server, which is started,
    where the demo may be used. Raises ConfigError where neither is, and in an environment, which
    has no such database of its own, for what not `reads_only`.
    """
    if settings.environment and not reads_only:
        raise ConfigError(
            f"Events land in one database for all, and the environment {settings.environment} "
            "writes nothing outside of its own.",
            "Unset ETL_ENV to work with events.",
        )
    url = settings.events_database_url
    if url is None:
        from etl_assets.sources.factory import Sources

        url = Sources(settings).url(EVENTS_CONNECTION)
    return EventsDatabase(url, pool)


def _ours(error: sa.exc.DBAPIError | psycopg.Error, doing: str, needs: _Needs) -> EtlError:
    behind = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    ours = classify(behind, doing)
    state = sqlstate_of(behind) or ""
    next_step = _RIGHTS[needs] if state == "42501" else _WHAT_TO_DO.get(state)
    return type(ours)(ours.what, next_step) if next_step else ours
