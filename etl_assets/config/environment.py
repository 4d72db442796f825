"""The only reader of the environment, and of `.env` and the project file beside it.

Nothing is connected or created.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from etl_assets.config.env_file import read_env_file
from etl_assets.config.parts import (
    FilesSettings,
    HttpSettings,
    ObjectStoreSettings,
    SyncSettings,
    WarehousePool,
    WebhookSettings,
    WebhookSource,
)
from etl_assets.config.project import PROJECT, find_project
from etl_assets.config.settings import (
    DATABASE,
    DEMO_LAST_DAY,
    DEMO_TABLES,
    EVENTS_DATABASE,
    Settings,
)
from etl_assets.config.values import WHAT_TO_WRITE, Part
from etl_assets.core.errors import ConfigError
from etl_assets.core.http_connections import HttpConnection, connections, wrong_with
from etl_assets.core.source_specs import EVENTS_CONNECTION


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`; by default the process's, completed by `.env` and by the project
    file, of the working directory or the project around it, whose packages can be imported then.

    Raises ConfigError, which names the variable and never its value.
    """
    if environment is None:
        environment = _of_process()
    settings = _read(
        Settings,
        environment,
        databases=_databases(environment),
        warehouse_pool=_read(WarehousePool, environment),
        sync=_read(SyncSettings, environment),
        files=_read(FilesSettings, environment),
        webhook=_read(WebhookSettings, environment, sources=_webhook_sources(environment)),
        http=_read(HttpSettings, environment, apis=_apis(environment)),
        object_store=_read(
            ObjectStoreSettings, environment, credentials=_cloud_variables(environment)
        ),
    )
    has_own = settings.has_source or environment.get("ETL_TABLES")
    last_day = settings.last_day or (None if has_own else DEMO_LAST_DAY)
    if last_day and last_day < settings.first_day:
        raise ConfigError(
            f"ETL_LAST_DAY ({last_day}) is before ETL_FIRST_DAY ({settings.first_day}).",
            "Set a later last day, or unset it."
            if settings.last_day
            else "Set DATABASE_URL: the days of the demo shop end on ETL_LAST_DAY.",
        )
    is_demo = not (settings.database_url or settings.databases or environment.get("ETL_TABLES"))
    tables = DEMO_TABLES if is_demo else settings.tables
    return settings.changed(home=settings.home.resolve(), last_day=last_day, tables=tables)


_P = TypeVar("_P", bound=Part)


def has_google_account() -> bool:
    """Whether the environment names a Google account, as Google's own libraries read it."""
    return bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


def login_shell() -> str:
    """The name of the user's shell, such as `bash`; empty where none is known."""
    return Path(os.environ.get("SHELL", "")).name


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment for a child, completed as for `read_settings`, with changes."""
    return {**_of_process(), **changes}


def _of_process() -> dict[str, str]:
    project = find_project(os.environ.get(PROJECT), Path.cwd())
    folder = Path() if project is None else project.folder
    from_file = read_env_file(folder / ".env")
    if project is None:
        return {**from_file, **os.environ}
    project.make_importable()
    if from_file.get("ETL_HOME"):
        from_file["ETL_HOME"] = str(folder / from_file["ETL_HOME"])
    return {**project.variables, **from_file, **os.environ, PROJECT: str(folder)}


def _read(part: type[_P], environment: Mapping[str, str], **given: object) -> _P:
    """The settings of one class, without those that are given; raises ConfigError."""
    variables = {
        str(field.validation_alias)
        for name, field in part.model_fields.items()
        if name not in given
    }
    read = {name: text for name, text in environment.items() if name in variables and text}
    try:
        return part(**read, **given)
    except ValidationError as error:
        raise _config_error(part, error) from None


def _config_error(part: type[Part], error: ValidationError) -> ConfigError:
    """The first thing that is wrong: pydantic's own words may quote the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    variable = str(first["loc"][0])
    field = next((f for f in part.model_fields.values() if f.validation_alias == variable), None)
    ours = first.get("ctx", {}).get("error")
    what = str(ours) if isinstance(ours, ValueError) else "cannot be used."
    default = field.default if field else None
    if isinstance(default, int | float) and not isinstance(default, bool):
        return ConfigError(f"{variable} {what}", f"Set it to {default:g}, say.")
    return ConfigError(f"{variable} {what}", WHAT_TO_WRITE.get(what, "Correct it, or unset it."))


def _cloud_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of the clouds that are set, also those of `.env`."""
    return {
        name: text
        for name, text in environment.items()
        if name.startswith(("AWS_", "AZURE_", "GCP_", "GOOGLE_")) and text
    }


def _webhook_sources(environment: Mapping[str, str]) -> dict[str, WebhookSource]:
    """Who may send webhooks, by name in lower case; raises ConfigError."""
    secrets, schemes = (
        {
            name.removeprefix(prefix).lower(): (name, text)
            for name, text in environment.items()
            if name.startswith(prefix) and name != prefix and text
        }
        for prefix in ("WEBHOOK_SECRETS_", "WEBHOOK_SCHEME_")
    )
    for source, (variable, _) in schemes.items():
        if source not in secrets:
            raise ConfigError(
                f"{variable} is set, but WEBHOOK_SECRETS_{source.upper()} is not.",
                "Set both: each source has a secret that its calls are signed with.",
            )
    sources = {
        source: WebhookSource.model_validate(
            {"secrets": text, "scheme": schemes.get(source, ("", "standard"))[1]}
        )
        for source, (_, text) in secrets.items()
    }
    for source, one in sources.items():
        if not one.secrets:
            raise ConfigError(
                f"{secrets[source][0]} has no secret in it.",
                "Write the secrets with commas between them.",
            )
    return sources


def _apis(environment: Mapping[str, str]) -> dict[str, HttpConnection]:
    """The HTTP APIs by connection; raises ConfigError for one that cannot be."""
    apis = connections(environment)
    for name, api in apis.items():
        for what, write in wrong_with(name, api):
            raise ConfigError(what, write)
    return apis


def _databases(environment: Mapping[str, str]) -> dict[str, str]:
    """The URLs of DATABASE_URL_<NAME> by connection, in lower case, and that of events."""
    prefix = f"{DATABASE}_"
    if environment.get(f"{prefix}{EVENTS_CONNECTION.upper()}"):
        raise ConfigError(
            f"{prefix}{EVENTS_CONNECTION.upper()} is not read: the connection "
            f'"{EVENTS_CONNECTION}" is the database that events land in.',
            f"Call it {EVENTS_DATABASE}, or give your connection another name.",
        )
    events = environment.get(EVENTS_DATABASE)
    return ({EVENTS_CONNECTION: events} if events else {}) | {
        name.removeprefix(prefix).lower(): url
        for name, url in environment.items()
        if name.startswith(prefix) and name != prefix and url
    }
