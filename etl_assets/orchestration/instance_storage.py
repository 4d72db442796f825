"""Where Dagster keeps its own runs and events: DAGSTER_POSTGRES_URL, else the embedded server.

Named in the repository's dagster.yaml, so that one file serves a laptop and production.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from etl_assets.config import Settings, read_settings

_SETTING = "DAGSTER_POSTGRES_URL"


class PooledEventLog(PostgresEventLogStorage):
    """The event log over a pooled connection.

    dagster-postgres opens three connections for each event, and asks for each check whether its
    table exists: 19 ms an event, of which 2 to 3 are left like this.
    """

    def __init__(self, postgres_url: str) -> None:
        self._known_tables: set[str] = set()
        super().__init__(postgres_url)
        self.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=20)

    def has_table(self, table_name: str) -> bool:
        """Asked once for a table that is there: Dagster never drops one."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables


class InstanceStorage(DagsterPostgresStorage):
    """dagster-postgres, with its URL from our settings; takes no config."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = PooledEventLog(postgres_url)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing to configure in YAML."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> "InstanceStorage":
        """The storage that the environment names."""
        del config_value
        return cls(postgres_url=storage_url(read_settings()), inst_data=inst_data)


def storage_url(settings: Settings) -> str:
    """The SQLAlchemy URL of Dagster's database; starts the embedded server if it is there.

    dagster-postgres needs psycopg2: on SQLAlchemy 2.1 a bare `postgresql://` means psycopg 3, and
    its NOTIFY fails (dagster issue 33958). Raises ConfigError, SourceError or SourceUnavailable:
    dagster-postgres would try for a while, and print what it tried.
    """
    from etl_assets.postgres.connection import check_connection, postgres_url

    text, name = settings.dagster_postgres_url, "dagster"
    if settings.environment:
        name = f"dagster_{settings.environment}"
    if text is None:
        from etl_assets.demo.shared_use import shared_postgres

        server = shared_postgres(settings.postgres_home)
        server.ensure_database(name)
        # Thousands of small commits a backfill: on a laptop the last moments of the log may be lost
        # in a power cut, what is published may not and is elsewhere.
        text = server.url(name) + "&options=-c%20synchronous_commit%3Doff"
    else:
        check_connection(text, setting=_SETTING, what="Dagster's own database")
    url = postgres_url(text, driver="psycopg2", setting=_SETTING)
    if settings.environment and settings.dagster_postgres_url:
        url = in_schema(url, name)
    return url.render_as_string(hide_password=False)


def in_schema(url: sa.URL, name: str) -> sa.URL:
    """The same database, in a schema of its own, which is made: the runs of an environment are not
    production's."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            inspector = sa.inspect(connection)
            if name not in inspector.get_schema_names():
                connection.execute(sa.schema.CreateSchema(name))
    finally:
        engine.dispose()
    known = url.query.get("options", ())
    options = [known] if isinstance(known, str) else list(known)
    return url.update_query_dict({"options": " ".join([*options, f"-csearch_path={name}"])})
