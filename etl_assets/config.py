"""Settings: the only reader of the environment (and of `.env` beside it).

What a setting means to a part of the platform is documented there; here stand names and defaults.
A new setting is one field: its name with the prefix of its class is the variable. Nothing is
connected, started or created.
"""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AliasGenerator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from etl_assets.core.errors import ConfigError, PartitionError
from etl_assets.core.partitions import ONE_DAY, parse_day
from etl_assets.core.source_specs import DEFAULT_CONNECTION

FIRST_DAY = date(2024, 1, 1)
DEMO_LAST_DAY = date(2024, 1, 30)
DEMO_TABLES = ("etl_assets.tables",)
"""The package of the demo shop's tables, which ETL_TABLES replaces."""

_LONGEST = 7 * 86_400
_MOST_CONNECTIONS = 1000
_MOST = 1 << 40
_DATABASE = "DATABASE_URL"


def _seconds(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= _LONGEST:
        raise ValueError(f"is not a number of seconds up to {_LONGEST}.")
    return number


def _count_up_to(most: int) -> BeforeValidator:
    def count(value: object) -> int:
        text = str(value)
        if not text.isdecimal() or not 0 < int(text) <= most:
            raise ValueError(f"is not a number from 1 to {most}.")
        return int(text)

    return BeforeValidator(count)


def _day(value: object) -> date:
    try:
        return value if isinstance(value, date) else parse_day(str(value))
    except PartitionError:
        raise ValueError(_NO_DAY) from None


def _host(value: object) -> object:
    """`host:port`, also where it was written as a URL."""
    return value.removeprefix("http://").rstrip("/") if isinstance(value, str) else value


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _yes(value: object) -> bool:
    text = str(value).lower()
    if text not in _YES | _NO:
        raise ValueError(_NEITHER)
    return text in _YES


_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})

Seconds = Annotated[float, BeforeValidator(_seconds)]
WholeSeconds = Annotated[int, BeforeValidator(lambda value: int(_seconds(value)))]
Count = Annotated[int, _count_up_to(_MOST)]
Connections = Annotated[int, _count_up_to(_MOST_CONNECTIONS)]
Day = Annotated[date, BeforeValidator(_day)]
Host = Annotated[str | None, BeforeValidator(_host)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
YesOrNo = Annotated[bool, BeforeValidator(_yes)]

_NO_DAY, _NEITHER = "is not a day.", "is neither 1 nor 0."
_WRITE = {_NO_DAY: "Write it as YYYY-MM-DD.", _NEITHER: "Set it to 1, or unset it."}
"""What to do about a bad value, by what it is; numbers are told their default."""


def _variables(prefix: str) -> SettingsConfigDict:
    """A field without a name of its own is the variable of its name with the prefix."""
    return SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: prefix + name.upper()),
        case_sensitive=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )


class _Part(BaseSettings):
    """Settings made in code are what is given; `read_settings` alone reads the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, and nothing else."""
        del settings_cls
        return (init_settings,)


class WarehousePool(_Part):
    """Connections that a process keeps to a PostgreSQL warehouse; times in seconds.

    The defaults are the events system's. `size` are kept, `overflow` more may be open for a while,
    `timeout` bounds the wait for one, and none is used for longer than `recycle`.
    """

    model_config = _variables("ETL_WAREHOUSE_POOL_")

    size: Connections = 20
    overflow: Connections = 10
    timeout: Seconds = Field(default=30, validation_alias="ETL_WAREHOUSE_POOL_TIMEOUT_SECONDS")
    recycle: WholeSeconds = Field(
        default=1800, validation_alias="ETL_WAREHOUSE_POOL_RECYCLE_SECONDS"
    )


class SyncSettings(_Part):
    """How tables sync; times in seconds.

    A chunk holds at most so many rows and bytes. `lag` is how far the position stays behind the
    source's clock where open transactions cannot be seen, `max_hold` how long one of them may hold
    it back before it is passed over. `patience` is how long trouble that may pass is sat out.
    `late_days` is how many derived days a tick of the sensor has made again at most.
    """

    model_config = _variables("ETL_SYNC_")

    chunk_rows: Count = 50_000
    chunk_bytes: Count = 64 << 20
    lag: Seconds = Field(default=600, validation_alias="ETL_SYNC_LAG_SECONDS")
    max_hold: Seconds = Field(default=86_400, validation_alias="ETL_SYNC_MAX_HOLD_SECONDS")
    patience: Seconds = Field(default=120, validation_alias="ETL_SYNC_PATIENCE_SECONDS")
    late_days: Count = Field(default=30, validation_alias="ETL_LATE_DAYS_A_TICK")


class Settings(_Part):
    """What the environment says; secrets are kept out of `repr`.

    `database_url` is the source database of the connection `default`, `databases` has the others by
    connection. `warehouse_url` None means a DuckDB file in `home`.
    `first_day` and `last_day` bound the partitions (UTC); no `last_day` means up to yesterday. The
    demo shop's days end: where no source database is named, `last_day` has a default.
    `tables` are the packages of the table modules. `demo` says that the embedded demo shop may be
    read where no DATABASE_URL is set (`sources/factory.py`).
    `dagster_postgres_url` is where Dagster keeps runs and events, None for the embedded server.
    `hash_key` is what personal keys are hashed with, None for a key kept in `home`.
    `gcp_credentials` is a service account's key, base64 as dagster-gcp takes it; None for Google's
    application default credentials. `run_retention_days` is how long Dagster keeps runs of the sync
    and reconcile jobs that nothing refers to any more. The emulator hosts (`host:port`, REST and
    gRPC) stand in for BigQuery's own.
    """

    model_config = _variables("ETL_")

    home: Path = Path(".etl")
    database_url: str | None = Field(default=None, validation_alias=_DATABASE, repr=False)
    databases: Mapping[str, str] = Field(default_factory=dict, repr=False)
    warehouse_url: str | None = Field(default=None, validation_alias="WAREHOUSE_URL", repr=False)
    tables: Names = DEMO_TABLES
    demo: YesOrNo = False
    first_day: Day = FIRST_DAY
    last_day: Day | None = None
    dagster_postgres_url: str | None = Field(
        default=None, validation_alias="DAGSTER_POSTGRES_URL", repr=False
    )
    hash_key: str | None = Field(default=None, repr=False)
    statement_timeout_seconds: WholeSeconds = 3600
    warehouse_wait_seconds: Seconds = 120
    warehouse_pool: WarehousePool = WarehousePool()
    sync: SyncSettings = SyncSettings()
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
        """Whether a source database of one's own is named."""
        return bool(self.database_url or self.databases)

    @property
    def postgres_home(self) -> Path:
        """The data folder of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its logs, and the `dagster.yaml` of its instance."""
        return self.home / "dagster"

    def changed(self, **changes: Any) -> Self:
        """The same settings with changes, which are checked like those of the environment."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})

    def for_demo(self) -> "Settings":
        """The same, on the demo's tables and the embedded demo shop whatever DATABASE_URL says."""
        return self.changed(
            database_url=None,
            databases={},
            tables=DEMO_TABLES,
            demo=True,
            first_day=FIRST_DAY,
            last_day=DEMO_LAST_DAY,
        )

    def newest_day(self) -> date:
        """The last day that is over, or that the settings name."""
        return self.last_day or datetime.now(UTC).date() - ONE_DAY

    def newest_partition(self) -> date:
        """The last day that can be loaded: today, as far as it went, or what the settings name."""
        return self.last_day or datetime.now(UTC).date()


def database_variable(connection: str) -> str:
    """The variable that holds the URL of a connection."""
    return _DATABASE if connection == DEFAULT_CONNECTION else f"{_DATABASE}_{connection.upper()}"


def shown_url(url: str) -> str:
    """Scheme, host, port and path of a URL, without user, password and parameters."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # what is no URL is refused where it is used
        return "a database"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`; by default the process's, completed by `./.env`.

    Raises ConfigError, which names the variable and never its value.
    """
    if environment is None:
        from_file = {name: value or "" for name, value in dotenv_values(".env").items()}
        environment = {**from_file, **os.environ}
    settings = _read(
        Settings,
        environment,
        databases=_databases(environment),
        warehouse_pool=_read(WarehousePool, environment),
        sync=_read(SyncSettings, environment),
    )
    last_day = settings.last_day or (None if settings.has_source else DEMO_LAST_DAY)
    if last_day and last_day < settings.first_day:
        raise ConfigError(
            f"ETL_LAST_DAY ({last_day}) is before ETL_FIRST_DAY ({settings.first_day}).",
            "Set a later last day, or unset it."
            if settings.last_day
            else "Set DATABASE_URL: the days of the demo shop end on ETL_LAST_DAY.",
        )
    return settings.changed(home=settings.home.resolve(), last_day=last_day)


_P = TypeVar("_P", bound=_Part)


def has_google_account() -> bool:
    """Whether the environment names a Google account, as Google's own libraries read it."""
    return bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment for a child, completed by `./.env`, with changes."""
    from_file = {name: value or "" for name, value in dotenv_values(".env").items()}
    return {**from_file, **os.environ, **changes}


class _Environment(EnvSettingsSource):
    """pydantic-settings' reader of variables, on those that are given."""

    def __init__(self, part: type[BaseSettings], environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(part)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in self._environment.items() if value}


def _read(part: type[_P], environment: Mapping[str, str], **given: object) -> _P:
    """The settings of one class, without those that are given; raises ConfigError."""
    names = {str(part.model_fields[name].validation_alias) for name in given}
    read = {name: text for name, text in environment.items() if name not in names}
    try:
        return part(**_Environment(part, read)(), **given)
    except ValidationError as error:
        raise _config_error(part, error) from None


def _config_error(part: type[_Part], error: ValidationError) -> ConfigError:
    """The first thing that is wrong: pydantic's own words may quote the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    variable = str(first["loc"][0])
    field = next((f for f in part.model_fields.values() if f.validation_alias == variable), None)
    ours = first.get("ctx", {}).get("error")
    what = str(ours) if isinstance(ours, ValueError) else "cannot be used."
    default = field.default if field else None
    if isinstance(default, int | float) and not isinstance(default, bool):
        return ConfigError(f"{variable} {what}", f"Set it to {default:g}, say.")
    return ConfigError(f"{variable} {what}", _WRITE.get(what, "Correct it, or unset it."))


def _databases(environment: Mapping[str, str]) -> dict[str, str]:
    """The URLs of DATABASE_URL_<NAME> by connection, in lower case."""
    prefix = f"{_DATABASE}_"
    return {
        name.removeprefix(prefix).lower(): url
        for name, url in environment.items()
        if name.startswith(prefix) and name != prefix and url
    }
