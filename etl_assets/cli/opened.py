"""What a command works with: settings, platform and tables. Nothing is connected here.

The platform's own package is named here and nowhere else in `cli/`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.core.table import LayerTable
    from etl_assets.orchestration.platform import Platform


def open_platform(settings: "Settings | None" = None, **more: Any) -> "Platform":
    """The platform of these settings, by default of the environment's; `more` are its fields."""
    from etl_assets.config import read_settings
    from etl_assets.orchestration.platform import Platform

    return Platform(settings or read_settings(), **more)


def catalog_of(_platform: "Platform") -> "Mapping[str, LayerTable]":
    """The platform's tables by path, upstream first."""
    from etl_assets.tables.registry import layer_tables

    return layer_tables()


def read_from(platform: "Platform", tables: "Iterable[LayerTable]") -> list[str]:
    """Which databases the tables are read from: host, port and database, never a password."""
    from etl_assets.postgres.connection import postgres_url

    if not any(table.source for table in tables):
        return []
    text = platform.settings.database_url
    if not text:
        return ["the embedded demo shop"]
    url = postgres_url(text)
    host = url.host or url.query.get("host") or url.query.get("hostaddr") or "localhost"
    hosts = host if isinstance(host, str) else ",".join(host)
    return [f"postgresql://{hosts}:{url.port or 5432}/{url.database or ''}"]
