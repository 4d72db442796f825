"""From a table to its source, by the kind that its spec names: one entry of `_KINDS` a kind.

Each connection to a database has an engine, a pool and a clock of its own.

The demo's embedded databases stand in for their connections where the user asked for the demo, and
only for the warehouses that the demo was asked for (`demo/marker.py`).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from etl_assets.config import Settings, database_variable, shown_url
from etl_assets.core.errors import ConfigError
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import DEFAULT_CONNECTION, PostgresTable, SourceSpec
from etl_assets.core.table import LayerTable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from etl_assets.postgres.connection import PoolSettings
    from etl_assets.sources.base import Source
    from etl_assets.sources.postgres.reader import PostgresReader


class Sources:
    """Readers by connection name; cheap to make, connects when a reader is used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[str, Engine] = {}

    def source(self, table: LayerTable, scope: Scope) -> "Source":
        """The table at its source, whose columns were never seen; `scope` are the platform's days.

        Cheap to make; connects when it is read. Raises ConfigError where no setting says where the
        source is.
        """
        assert table.source is not None, table.path  # noqa: S101 - only raw tables have one
        return _KINDS[type(table.source)](self, table, scope)

    def of_postgres(self, table: LayerTable, scope: Scope) -> "Source":
        """A table of a database."""
        from etl_assets.sources.postgres.declared import source_table
        from etl_assets.sources.postgres.horizon import HorizonPolicy
        from etl_assets.sources.postgres.source import PostgresSource

        sync = self._settings.sync
        policy = HorizonPolicy(
            lag=timedelta(seconds=sync.lag), max_hold=timedelta(seconds=sync.max_hold)
        )
        reader = self.reader(source_table(table).connection)
        return PostgresSource(reader, table, None, scope, policy)

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

    def holds_demo_rows(self, source: SourceSpec) -> bool:
        """Whether it is a table of the embedded demo; raises ConfigError as `is_demo` does."""
        return isinstance(source, PostgresTable) and self.is_demo(source.connection)

    def read_from(self, source: SourceSpec) -> str:
        """Where it is, for messages, without secrets; raises ConfigError as `shown` does."""
        if isinstance(source, PostgresTable):
            return self.shown(source.connection)
        return f"{source.KIND} {source.place}"

    def is_demo(self, connection: str = DEFAULT_CONNECTION) -> bool:
        """Whether it is one of the embedded demo; raises ConfigError where there is no database."""
        return self._named(connection) is None

    def shown(self, connection: str = DEFAULT_CONNECTION) -> str:
        """Which database that is, without user and password: `postgresql://host:5432/shop`.

        Raises ConfigError where no variable names the database.
        """
        from etl_assets.demo.databases import DATABASES

        url = self._named(connection)
        return shown_url(url) if url else DATABASES[connection].shown

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
        from etl_assets.demo.databases import DATABASES
        from etl_assets.demo.shared_use import shared_postgres

        server = shared_postgres(self._settings.postgres_home)
        database = DATABASES[connection].name
        server.ensure_database(database)
        return server.url(database)

    def _named(self, connection: str) -> str | None:
        """The URL that the settings name; None for an embedded one, where it may be read.

        The demo's databases are read together or not at all: where one of their connections has a
        database of the user's own, the rows of the demo would come to stand beside real ones.
        """
        urls: Mapping[str, str | None] = {
            DEFAULT_CONNECTION: self._settings.database_url,
            **self._settings.databases,
        }
        url = urls.get(connection)
        if url:
            return url
        from etl_assets.demo.databases import DATABASES
        from etl_assets.demo.marker import is_for_demo

        own = [name for name in DATABASES if urls.get(name)]
        if connection in DATABASES and not own and is_for_demo(self._settings):
            return None
        variable = database_variable(connection)
        raise ConfigError(
            f"{variable} is not set, so there is no database to read."
            if connection == DEFAULT_CONNECTION
            else f'{variable} is not set, and a table names its connection "{connection}".',
            f"Set {variable} to postgresql://user:password@host:5432/database"
            + (
                "; the demo's own is read only after `etl-assets demo`, or with ETL_DEMO=1"
                + (f", and where {database_variable(own[0])} is not set." if own else ".")
                if connection in DATABASES
                else "."
            ),
        )


_KINDS: Final[Mapping[type[SourceSpec], Callable[[Sources, LayerTable, Scope], "Source"]]] = {
    PostgresTable: Sources.of_postgres,
}
"""What opens each kind of source."""
