"""All settings together: names and defaults, and what follows from them.

They are read in `environment.py`. A new setting is one field: its name with the prefix of its class
is the variable.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from etl_assets.config.parts import (
    FilesSettings,
    HttpSettings,
    ObjectStoreSettings,
    SyncSettings,
    WarehousePool,
    WebhookSettings,
)
from etl_assets.config.values import (
    Connections,
    Count,
    Day,
    Environment,
    Host,
    Names,
    Part,
    Seconds,
    WholeSeconds,
    YesOrNo,
    variables,
)
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.source_specs import DEFAULT_CONNECTION, EVENTS_CONNECTION

FIRST_DAY = date(2024, 1, 1)
DEMO_LAST_DAY = date(2024, 1, 30)
SHOP_TABLES = ("etl_assets.tables",)
"""The package of the shop's tables, which ETL_TABLES replaces."""

DEMO_TABLES = (*SHOP_TABLES, "etl_assets.tables.events")
"""The packages of the demo's tables: the shop's and those of its events."""

EVENT_SOURCES = "etl_assets.events.shop"
"""The module of the sources of the shop's events, which ETL_EVENT_SOURCES replaces."""

DATABASE = "DATABASE_URL"
EVENTS_DATABASE = "EVENTS_DATABASE_URL"


class Settings(Part):
    """What the environment says; secrets are kept out of `repr`.

    `environment` is the name of an environment that reads production and writes beside it, None for
    production. `database_url` is the source database of the connection `default`, `databases` has
    the others by connection; that of `events` is where events land (EVENTS_DATABASE_URL).
    `warehouse_url` None means a DuckDB file in `home`. `project` is the folder of the project of
    one's own that the process works in. With `strict`, which Dagster sets where definitions are
    only checked, a table that is wrong is an error of the code location; else it is left out.
    `first_day` and `last_day` bound the partitions (UTC); no `last_day` means up to yesterday. The
    demo shop's days end: where no source database is named, `last_day` has a default.
    `tables` are the packages of the table modules (where no database is named, the demo's),
    `event_sources` is the module of the sources of events; their raw payloads are archived in the
    store of `events_archive_url`. `demo` says that the embedded demo shop may be read where no
    DATABASE_URL is set (`sources/factory.py`).
    `dagster_postgres_url` is where Dagster keeps runs and events, None for the embedded server.
    `read_workers` is how many connections share the reading of a large table of a source database,
    None for one a core, four at most.
    `hash_key` is what personal keys are hashed with, None for a key kept in `home`.
    `gcp_credentials` is a service account's key, base64 as dagster-gcp takes it; None for Google's
    application default credentials. `run_retention_days` is how long Dagster keeps runs of the sync
    and reconcile jobs that nothing refers to any more. The emulator hosts (`host:port`, REST and
    gRPC) stand in for BigQuery's own.
    """

    model_config = variables("ETL_")

    home: Path = Path(".etl")
    project: Path | None = None
    strict: YesOrNo = Field(default=False, validation_alias="DAGSTER_IS_DEFS_VALIDATION_CLI")
    environment: Environment = Field(default=None, validation_alias="ETL_ENV")
    database_url: str | None = Field(default=None, validation_alias=DATABASE, repr=False)
    databases: Mapping[str, str] = Field(default_factory=dict, repr=False)
    warehouse_url: str | None = Field(default=None, validation_alias="WAREHOUSE_URL", repr=False)
    tables: Names = SHOP_TABLES
    event_sources: str = EVENT_SOURCES
    events_archive_url: str | None = Field(
        default=None, validation_alias="EVENTS_ARCHIVE_URL", repr=False
    )
    demo: YesOrNo = False
    first_day: Day = FIRST_DAY
    last_day: Day | None = None
    dagster_postgres_url: str | None = Field(
        default=None, validation_alias="DAGSTER_POSTGRES_URL", repr=False
    )
    hash_key: str | None = Field(default=None, repr=False)
    statement_timeout_seconds: WholeSeconds = 3600
    read_workers: Connections | None = None
    warehouse_wait_seconds: Seconds = 120
    warehouse_pool: WarehousePool = WarehousePool()
    sync: SyncSettings = SyncSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    files: FilesSettings = FilesSettings()
    webhook: WebhookSettings = WebhookSettings()
    http: HttpSettings = HttpSettings()
    run_retention_days: Count = 30
    gcp_credentials: str | None = Field(
        default=None, validation_alias="GCP_CREDENTIALS", repr=False
    )
    bigquery_emulator_host: Host = Field(default=None, validation_alias="BIGQUERY_EMULATOR_HOST")
    bigquery_storage_emulator_host: Host = Field(
        default=None, validation_alias="BIGQUERY_STORAGE_EMULATOR_HOST"
    )

    @property
    def has_source(self) -> bool:
        """Whether a source of one's own is named: a database, an object store or an HTTP API."""
        return bool(
            self.database_url
            or self.databases
            or self.object_store.url
            or any(api.url for api in self.http.apis.values())
        )

    @property
    def works_by_itself(self) -> bool:
        """Whether schedules run by themselves: there is a source, and this is no environment."""
        return self.has_source and not self.environment

    @property
    def archive_url(self) -> str | None:
        """The store that raw payloads of events are archived in, None where none is named."""
        return self.events_archive_url or self.object_store.url

    @property
    def events_database_url(self) -> str | None:
        """The database of events, None for the embedded server's, where the demo may be used."""
        return self.databases.get(EVENTS_CONNECTION)

    @property
    def postgres_home(self) -> Path:
        """The data folder of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its logs, and the `dagster.yaml` of its instance."""
        return self.home / (f"dagster-{self.environment}" if self.environment else "dagster")

    def for_demo(self) -> "Settings":
        """The same, on the demo's tables and the embedded demo shop whatever DATABASE_URL says."""
        return self.changed(
            database_url=None,
            databases={},
            tables=DEMO_TABLES,
            event_sources=EVENT_SOURCES,
            demo=True,
            first_day=FIRST_DAY,
            last_day=DEMO_LAST_DAY,
        )

    def newest_day(self) -> date:
        """The last day that is over (UTC), and no later than the settings name."""
        return self._until(datetime.now(UTC).date() - ONE_DAY)

    def newest_partition(self) -> date:
        """The last day that can be loaded: today, as far as it went, or what the settings name.

        A last day that has not come yet bounds nothing: no later day than today is a partition.
        """
        return self._until(datetime.now(UTC).date())

    def _until(self, day: date) -> date:
        return min(day, self.last_day) if self.last_day else day


def database_variable(connection: str) -> str:
    """The variable that holds the URL of a connection."""
    if connection == EVENTS_CONNECTION:
        return EVENTS_DATABASE
    return DATABASE if connection == DEFAULT_CONNECTION else f"{DATABASE}_{connection.upper()}"


MALFORMED = "a malformed URL"
_OF_FOLDERS = {"duckdb", "file"}  # their paths may have an @


def shown_url(url: str) -> str:
    """Scheme, host, port and path of a URL, without user, password and parameters.

    Of what is none, as without its scheme or with a quote in front, nothing is shown: a password
    may stand anywhere in it. It is refused where it is used.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return MALFORMED
    if not re.match(r"[a-z][a-z0-9+.-]*://", url):
        return MALFORMED
    # A password with a / or ? that is not percent-encoded ends what is taken for the host.
    behind = parts.path if "@" in parts.netloc else f"{parts.path}{parts.query}{parts.fragment}"
    if "@" in behind and parts.scheme not in _OF_FOLDERS:
        return MALFORMED
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"
