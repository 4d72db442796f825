"""Settings: the only reader of the environment (and of `.env` beside it).

What a setting means to a part of the platform is documented there; here stand names and defaults.
Nothing is connected, started or created.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from dotenv import dotenv_values

from etl_assets.core.errors import ConfigError, PartitionError
from etl_assets.core.partitions import ONE_DAY, parse_day

FIRST_DAY = date(2024, 1, 1)
DEMO_LAST_DAY = date(2024, 1, 30)
_LONGEST = 7 * 86_400
_MOST_CONNECTIONS = 1000
_MOST = 1 << 40


@dataclass(frozen=True)
class WarehousePool:
    """Connections that a process keeps to a PostgreSQL warehouse; times in seconds.

    The defaults are the events system's. `size` are kept, `overflow` more may be open for a while,
    `timeout` bounds the wait for one, and none is used for longer than `recycle`.
    """

    size: int = 20
    overflow: int = 10
    timeout: float = 30
    recycle: int = 1800


@dataclass(frozen=True)
class SyncSettings:
    """How tables sync; times in seconds.

    A chunk holds at most so many rows and bytes. `lag` is how far the position stays behind the
    source's clock where open transactions cannot be seen, `max_hold` how long one of them may hold
    it back before it is passed over. `patience` is how long trouble that may pass is sat out.
    `late_days` is how many derived days a tick of the sensor has made again at most.
    """

    chunk_rows: int = 50_000
    chunk_bytes: int = 64 << 20
    lag: float = 600
    max_hold: float = 86_400
    patience: float = 120
    late_days: int = 30


@dataclass(frozen=True)
class Settings:
    """What the environment says; secrets are kept out of `repr`.

    `database_url` None means the embedded PostgreSQL, `warehouse_url` None a DuckDB file in `home`.
    `first_day` and `last_day` bound the partitions (UTC); no `last_day` means up to yesterday. The
    embedded PostgreSQL holds the demo shop, whose days end: there it has a default.
    `dagster_postgres_url` is where Dagster keeps runs and events, None for the embedded server.
    `gcp_credentials` is a service account's key, base64 as dagster-gcp takes it; None for Google's
    application default credentials. `run_retention_days` is how long Dagster keeps runs of the sync
    and reconcile jobs that nothing refers to any more. The emulator hosts (`host:port`, REST and
    gRPC) stand in for BigQuery's own.
    """

    home: Path
    database_url: str | None = field(default=None, repr=False)
    warehouse_url: str | None = field(default=None, repr=False)
    first_day: date = FIRST_DAY
    last_day: date | None = None
    dagster_postgres_url: str | None = field(default=None, repr=False)
    statement_timeout_seconds: int = 3600
    warehouse_wait_seconds: float = 120
    warehouse_pool: WarehousePool = WarehousePool()
    sync: SyncSettings = SyncSettings()
    run_retention_days: int = 30
    gcp_credentials: str | None = field(default=None, repr=False)
    bigquery_emulator_host: str | None = None
    bigquery_storage_emulator_host: str | None = None

    @property
    def postgres_home(self) -> Path:
        """The data folder of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its logs; its instance's `dagster.yaml` is the repository's."""
        return self.home / "dagster"

    def for_demo(self) -> "Settings":
        """The same, on the embedded demo shop whatever DATABASE_URL says."""
        return replace(
            self,
            database_url=None,
            first_day=FIRST_DAY,
            last_day=DEMO_LAST_DAY,
        )

    def newest_day(self) -> date:
        """The last day that is over, or that the settings name."""
        return self.last_day or datetime.now(UTC).date() - ONE_DAY

    def newest_partition(self) -> date:
        """The last day that can be loaded: today, as far as it went, or what the settings name."""
        return self.last_day or datetime.now(UTC).date()


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`; by default the process's, completed by `./.env`.

    Raises ConfigError, which names the variable and never its value.
    """
    if environment is None:
        from_file = {name: value or "" for name, value in dotenv_values(".env").items()}
        environment = {**from_file, **os.environ}
    database_url = environment.get("DATABASE_URL") or None
    settings = Settings(
        home=Path(environment.get("ETL_HOME") or ".etl").resolve(),
        database_url=database_url,
        warehouse_url=environment.get("WAREHOUSE_URL") or None,
        first_day=_day(environment, "ETL_FIRST_DAY") or FIRST_DAY,
        last_day=_day(environment, "ETL_LAST_DAY") or (None if database_url else DEMO_LAST_DAY),
        dagster_postgres_url=environment.get("DAGSTER_POSTGRES_URL") or None,
        statement_timeout_seconds=int(_number(environment, "ETL_STATEMENT_TIMEOUT_SECONDS", 3600)),
        warehouse_wait_seconds=_number(environment, "ETL_WAREHOUSE_WAIT_SECONDS", 120),
        warehouse_pool=WarehousePool(
            size=_count(
                environment, "ETL_WAREHOUSE_POOL_SIZE", WarehousePool.size, _MOST_CONNECTIONS
            ),
            overflow=_count(
                environment,
                "ETL_WAREHOUSE_POOL_OVERFLOW",
                WarehousePool.overflow,
                _MOST_CONNECTIONS,
            ),
            timeout=_number(
                environment, "ETL_WAREHOUSE_POOL_TIMEOUT_SECONDS", WarehousePool.timeout
            ),
            recycle=int(
                _number(environment, "ETL_WAREHOUSE_POOL_RECYCLE_SECONDS", WarehousePool.recycle)
            ),
        ),
        sync=SyncSettings(
            chunk_rows=_count(environment, "ETL_SYNC_CHUNK_ROWS", SyncSettings.chunk_rows),
            chunk_bytes=_count(environment, "ETL_SYNC_CHUNK_BYTES", SyncSettings.chunk_bytes),
            lag=_number(environment, "ETL_SYNC_LAG_SECONDS", SyncSettings.lag),
            max_hold=_number(environment, "ETL_SYNC_MAX_HOLD_SECONDS", SyncSettings.max_hold),
            patience=_number(environment, "ETL_SYNC_PATIENCE_SECONDS", SyncSettings.patience),
            late_days=_count(environment, "ETL_LATE_DAYS_A_TICK", SyncSettings.late_days),
        ),
        run_retention_days=_count(environment, "ETL_RUN_RETENTION_DAYS", 30),
        gcp_credentials=environment.get("GCP_CREDENTIALS") or None,
        bigquery_emulator_host=_host(environment, "BIGQUERY_EMULATOR_HOST"),
        bigquery_storage_emulator_host=_host(environment, "BIGQUERY_STORAGE_EMULATOR_HOST"),
    )
    if settings.last_day and settings.last_day < settings.first_day:
        raise ConfigError(
            f"ETL_LAST_DAY ({settings.last_day}) is before ETL_FIRST_DAY ({settings.first_day}).",
            "Set a later last day, or unset it.",
        )
    return settings


def _day(environment: Mapping[str, str], name: str) -> date | None:
    text = environment.get(name)
    try:
        return parse_day(text) if text else None
    except PartitionError:
        raise ConfigError(f"{name} is not a day.", "Write it as YYYY-MM-DD.") from None


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment for a child, completed by `./.env`, with changes."""
    from_file = {name: value or "" for name, value in dotenv_values(".env").items()}
    return {**from_file, **os.environ, **changes}


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 <= number <= _LONGEST:
        raise ConfigError(
            f"{name} is not a number of seconds up to {_LONGEST}.", f"Set it to {default:g}, say."
        )
    return number


def _count(environment: Mapping[str, str], name: str, default: int, most: int = _MOST) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) <= most:
        raise ConfigError(f"{name} is not a number from 1 to {most}.", f"Set it to {default}, say.")
    return int(text)


def _host(environment: Mapping[str, str], name: str) -> str | None:
    """`host:port`, also where it was written as a URL."""
    return (environment.get(name) or "").removeprefix("http://").rstrip("/") or None
