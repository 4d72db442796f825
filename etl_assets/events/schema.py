"""The tables of the database of events: made, and brought up to this release, by Alembic.

What the tables are is in `migrations/versions/`. The warehouse's own tables are no matter of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql

from etl_assets.core.errors import SourceError
from etl_assets.postgres.connection import driver_of

VERSION_TABLE: Final = "events_schema_version"
"""Its own: the database may also be one that other migrations look after."""

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x65767473  # "evts": nobody else's advisory lock in this database
_ASK_AGAIN: Final = 0.1  # seconds


def newest() -> str:
    """The revision that this release works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 - the package has migrations
    return head


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that the database is at, None where nothing of it is there."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return found.scalar()


def upgrade(engine: sa.Engine, settings: sql.Composed) -> tuple[str | None, str]:
    """Bring the database up to this release: (before, after).

    Of two that do it at once the second one waits, and finds nothing to do. What one fails in goes
    on where it stopped when it is run again. `settings` is executed in each transaction. Raises
    SourceError for a database that a newer release has made.
    """
    with _locked(engine), engine.connect() as connection:

        @sa.event.listens_for(connection, "begin")
        def _begun(begun: sa.Connection) -> None:
            driver = driver_of(begun)
            if not driver.autocommit:
                driver.execute(settings)

        with connection.begin():
            before, after = revision_of(connection), newest()
        if before != after:
            try:
                command.upgrade(_config(connection), "head")
            except CommandError:  # it knows nothing of the revision
                raise SourceError(
                    f"The tables of events are of a newer release (revision {before}).",
                    "Install that release of etl_assets, or a later one.",
                ) from None
        return before, after


@contextmanager
def _locked(engine: sa.Engine) -> Iterator[None]:
    """Hold what nobody else has, in a transaction of its own; who is behind it waits.

    An index that is built while others write waits for all transactions with a snapshot. Therefore
    it is asked for again and again, as a statement that waits has a snapshot. And nothing else is
    executed there: a query with parameters keeps its snapshot until the next one.
    """
    with engine.connect() as connection:
        while True:
            with connection.begin():
                cursor = driver_of(connection).execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
                if cursor.fetchone() == (True,):
                    yield
                    return
            time.sleep(_ASK_AGAIN)


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    # "%" begins an interpolation in Alembic's settings.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
