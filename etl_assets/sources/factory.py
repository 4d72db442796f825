"""From a table to its source, by the kind that its spec names: one entry of `_KINDS` a kind.

Each connection to a database has an engine, a pool and a clock of its own.

The demo's embedded databases and its HTTP API stand in for their connections, and its folder for
the object store, where the user asked for the demo, and only for the warehouses that it was asked
for (`demo/marker.py`).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from etl_assets.config import Settings, database_variable, shown_url
from etl_assets.core.errors import ConfigError
from etl_assets.core.extras import explained
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import (
    DEFAULT_CONNECTION,
    EVENTS_CONNECTION,
    Files,
    PostgresTable,
    SourceSpec,
)
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.location import parse_location

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from etl_assets.postgres.connection import PoolSettings
    from etl_assets.sources.base import Source
    from etl_assets.sources.files.indexing import FileIndex
    from etl_assets.sources.files.store import ObjectStore
    from etl_assets.sources.files.writable import WritableStore
    from etl_assets.sources.http.client import HttpClient
    from etl_assets.sources.postgres.reader import PostgresReader


class Sources:
    """Readers by connection name; cheap to make, connects when a reader is used.

    `index_of` says where a table of files whose rows say their day keeps its index.
    """

    def __init__(
        self, settings: Settings, index_of: "Callable[[LayerTable], FileIndex] | None" = None
    ) -> None:
        self._settings, self._index_of = settings, index_of
        self._engines: dict[str, Engine] = {}
        self._clients: dict[tuple[str, float | None], HttpClient] = {}

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

    def of_files(self, table: LayerTable, scope: Scope) -> "Source":
        """The objects of a store."""
        with explained("files"):
            from etl_assets.sources.files.source import FilesSource

        index = self._index_of(table) if self._index_of else None
        return FilesSource(self.store(table), table, self._settings.home, scope, index)

    def of_http(self, table: LayerTable, scope: Scope) -> "Source":
        """A list of an HTTP API."""
        from etl_assets.sources.http.declared import api_of
        from etl_assets.sources.http.source import HttpSource

        return HttpSource(self.client(api_of(table)), table, self._settings.home, scope)

    def client(self, api: HttpApi) -> "HttpClient":
        """The kept client of an API, one for each connection and rate.

        Raises ConfigError where no setting says where the API is, and the demo's does not stand in.
        """
        from etl_assets.demo.api_use import URL_SHOWN
        from etl_assets.sources.http.client import HttpClient

        known = api.connection, api.rate
        if known not in self._clients:
            url = shown = None
            if self._is_demo_api(api):
                from etl_assets.demo.api import demo_api  # its server takes its time to import

                url, shown = demo_api(), URL_SHOWN
            client = HttpClient(
                self._settings.http, api.connection, url=url, shown=shown, rate=api.rate
            )
            client.url_of(api)
            self._clients[known] = client
        return self._clients[known]

    def store(self, table: LayerTable) -> "ObjectStore":
        """Where the objects of a table of files are.

        Raises ConfigError where neither its spec nor OBJECT_STORE_URL says where they are, and the
        folder of the demo's partners may not be read or is not there.
        """
        with explained("files"):
            from etl_assets.sources.files.store import open_store

        return open_store(self._settings.object_store, self._place_of(table))

    def writable_store(self, table: LayerTable) -> "WritableStore":
        """The same place, to put objects there; raises what `store` raises."""
        with explained("files"):
            from etl_assets.sources.files.writable import WritableStore

        return WritableStore(self._settings.object_store, self._place_of(table))

    def _place_of(self, table: LayerTable) -> str:
        """The URL below which the keys of a table of files begin."""
        from etl_assets.demo.partner_folder import partners_folder
        from etl_assets.sources.files.declared import files_of

        spec, settings = files_of(table), self._settings.object_store
        begins = spec.location or settings.url
        if self._is_of_partners(spec):
            folder = partners_folder(self._settings)
            if not folder.is_dir():
                raise ConfigError(
                    f"{table.path} is read from {folder}, which is not there.",
                    "Run etl-assets demo, which makes it, or set OBJECT_STORE_URL.",
                )
            begins = folder.as_uri()
        if not begins:
            raise ConfigError(
                f"OBJECT_STORE_URL is not set, so nothing says where the files of {table.path} "
                "are.",
                "Set it (s3://bucket/prefix, gs://…, az://…, file:///folder), or write the "
                f"location in {table.declared_in}; the demo's own are read only after "
                "`etl-assets demo`, or with ETL_DEMO=1, and where no DATABASE_URL is set.",
            )
        return begins

    def reader(self, connection: str = DEFAULT_CONNECTION) -> "PostgresReader":
        """A reader of one database for one load: what it remembers of columns ends with it.

        Raises ConfigError where no variable names the database, or its URL is none.
        """
        from etl_assets.sources.postgres.reader import PostgresReader

        workers = self._settings.read_workers
        return PostgresReader(self.engine(connection), self._pool(), workers)

    def engine(self, connection: str = DEFAULT_CONNECTION) -> "Engine":
        """The kept engine of one database; raises ConfigError as `reader` does."""
        from etl_assets.postgres.connection import make_engine

        if connection not in self._engines:
            self._engines[connection] = make_engine(
                self.url(connection), self._pool(), setting=database_variable(connection)
            )
        return self._engines[connection]

    def holds_demo_rows(self, source: SourceSpec) -> bool:
        """Whether it is a table of the embedded demo; raises ConfigError as `is_demo` does."""
        if isinstance(source, Files):
            return self._is_of_partners(source)
        if isinstance(source, HttpApi):
            return self._is_demo_api(source)
        return isinstance(source, PostgresTable) and self.is_demo(source.connection)

    def read_from(self, source: SourceSpec) -> str:
        """Where it is, for messages, without secrets; raises ConfigError as `shown` does."""
        if isinstance(source, PostgresTable):
            return self.shown(source.connection)
        if isinstance(source, HttpApi):
            return self._api_shown(source)
        begins = self._settings.object_store.url
        if isinstance(source, Files) and begins and not source.location:
            return f"{parse_location(begins)}/{source.place}"
        if isinstance(source, Files) and self._is_of_partners(source):
            from etl_assets.demo.partner_folder import SHOWN

            return SHOWN
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
        for client in self._clients.values():
            client.close()

    def _pool(self) -> "PoolSettings":
        from etl_assets.postgres.connection import PoolSettings

        settings, usual = self._settings, PoolSettings.max_overflow
        return PoolSettings(
            max_overflow=usual + (settings.read_workers or 0),
            statement_timeout=settings.statement_timeout_seconds,
        )

    def url(self, connection: str) -> str:
        """The URL of a connection's database; an embedded one is started, and made, by that.

        Raises ConfigError where no variable names the database.
        """
        url = self._named(connection)
        if url is not None:
            return url
        from etl_assets.demo.databases import DATABASES
        from etl_assets.demo.shared_use import shared_postgres

        server = shared_postgres(self._settings.postgres_home)
        database = DATABASES[connection].name
        server.ensure_database(database)
        return server.url(database)

    def _is_of_partners(self, source: Files) -> bool:
        """Whether its objects are those in the folder of the demo's partners."""
        from etl_assets.demo.partner_folder import stands_in

        is_elsewhere = source.location or self._settings.object_store.url
        return not is_elsewhere and stands_in(self._settings)

    def _is_demo_api(self, source: HttpApi) -> bool:
        """Whether it is the API of the demo."""
        from etl_assets.demo.api_use import stands_in

        return stands_in(self._settings, source.connection)

    def _api_shown(self, source: HttpApi) -> str:
        from etl_assets.demo.api_use import SHOWN

        if self._is_demo_api(source):
            return SHOWN
        api = self._settings.http.apis.get(source.connection)
        base = shown_url(api.url) if api and api.url else ""
        return f"{base.rstrip('/')}/{source.place.lstrip('/')}" if base else source.place

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
        from etl_assets.demo.databases import DATABASES, own_databases
        from etl_assets.demo.marker import is_for_demo

        own = own_databases(self._settings)
        if connection in DATABASES and not own and is_for_demo(self._settings):
            return None
        variable = database_variable(connection)
        missing = {
            DEFAULT_CONNECTION: "so there is no database to read.",
            EVENTS_CONNECTION: "so there is no database of events.",
        }.get(connection, f'and a table names its connection "{connection}".')
        raise ConfigError(
            f"{variable} is not set, {missing}",
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
    Files: Sources.of_files,
    HttpApi: Sources.of_http,
}
"""What opens each kind of source."""
