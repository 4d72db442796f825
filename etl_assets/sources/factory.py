"""From a connection's name to a reader of that database: an engine, a pool and a clock of its own.

The embedded demo shop stands in for `default` where the user asked for the demo, and only for the
warehouses that the demo was asked for (`demo/marker.py`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl_assets.config import Settings, database_variable, shown_url
from etl_assets.core.errors import ConfigError
from etl_assets.core.source_specs import DEFAULT_CONNECTION

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from etl_assets.postgres.connection import PoolSettings
    from etl_assets.sources.postgres.reader import PostgresReader


class Sources:
    """Readers by connection name; cheap to make, connects when a reader is used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[str, Engine] = {}

    def reader(self, connection: str = DEFAULT_CONNECTION) -> "PostgresReader":
        """A reader of one database for one load: what it remembers of columns ends with it.

        Raises ConfigError where no variable names the database, or its URL is none.
        """
        from etl_assets.postgres.connection import make_engine
        from etl_assets.sources.postgres.reader import PostgresReader

        if connection not in self._engines:
            self._engines[connection] = make_engine(
                self._url(connection), self._pool(), setting=database_variable(connection)
            )
        return PostgresReader(self._engines[connection], self._pool())

    def is_demo(self, connection: str = DEFAULT_CONNECTION) -> bool:
        """Whether it is the embedded demo shop; raises ConfigError where there is no database."""
        return self._named(connection) is None

    def shown(self, connection: str = DEFAULT_CONNECTION) -> str:
        """Which database that is, without user and password: `postgresql://host:5432/shop`.

        Raises ConfigError where no variable names the database.
        """
        url = self._named(connection)
        return shown_url(url) if url else "the embedded demo shop"

    def close(self) -> None:
        """Close idle connections; a reader that is used again opens new ones."""
        for engine in self._engines.values():
            engine.dispose()

    def _pool(self) -> "PoolSettings":
        from etl_assets.postgres.connection import PoolSettings

        return PoolSettings(statement_timeout=self._settings.statement_timeout_seconds)

    def _url(self, connection: str) -> str:
        url = self._named(connection)
        if url is not None:
            return url
        from etl_assets.demo.shared_use import shared_postgres

        server = shared_postgres(self._settings.postgres_home)
        server.ensure_database("shop")
        return server.url("shop")

    def _named(self, connection: str) -> str | None:
        """The URL that the settings name; None for the embedded shop, where it may be read."""
        urls: Mapping[str, str | None] = {
            DEFAULT_CONNECTION: self._settings.database_url,
            **self._settings.databases,
        }
        url = urls.get(connection)
        if url:
            return url
        from etl_assets.demo.marker import is_for_demo

        if connection == DEFAULT_CONNECTION and is_for_demo(self._settings):
            return None
        variable = database_variable(connection)
        raise ConfigError(
            f"{variable} is not set, so there is no database to read."
            if connection == DEFAULT_CONNECTION
            else f'{variable} is not set, and a table names its connection "{connection}".',
            f"Set {variable} to postgresql://user:password@host:5432/database"
            + (
                "; the demo shop is read only after `etl-assets demo`, or with ETL_DEMO=1."
                if connection == DEFAULT_CONNECTION
                else "."
            ),
        )
