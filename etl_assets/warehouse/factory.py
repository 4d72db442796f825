"""From WAREHOUSE_URL to a warehouse. A backend's module is imported when its URL is used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.core.extras import explained
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.urls import duckdb_file, warehouse_url

if TYPE_CHECKING:
    from etl_assets.warehouse.bigquery.clients import Connect


@dataclass(frozen=True)
class Wanted:
    """Which warehouse of a URL: production (`environment` None) or an environment.

    With `read_only` it is production as the environment of that name reads it.
    """

    environment: str | None = None
    read_only: bool = False

    @property
    def prefix(self) -> str:
        """What the environment's names begin with."""
        return f"{self.environment}_" if self.environment else ""


def open_warehouse(settings: Settings, google: "Connect | None" = None) -> Warehouse:
    """The warehouse that the settings name, not connected; raises ConfigError.

    `google` makes BigQuery's client; without it Google's default credentials do. In an environment
    (ETL_ENV) it is the environment's own, with that of production to be read.
    """
    url = warehouse_url(settings)
    scheme = url.split(":", 1)[0] if "://" in url else ""
    if scheme not in _BACKENDS:
        raise ConfigError(
            "WAREHOUSE_URL names no warehouse that this release has.",
            f"Write one of: {', '.join(f'{name}://…' for name in _BACKENDS)}; "
            "for example duckdb:////path/to/warehouse.duckdb.",
        )
    make, name = _BACKENDS[scheme], settings.environment
    own = make(url, settings, google, Wanted(name))
    if name is not None:
        own.production = make(url, settings, google, Wanted(name, read_only=True))
    return own


def _duckdb(url: str, settings: Settings, _google: "Connect | None", wanted: Wanted) -> Warehouse:
    from etl_assets.warehouse.duckdb import DuckDBWarehouse
    from etl_assets.warehouse.duckdb.environments import file_of

    path = duckdb_file(url)
    if wanted.environment and not wanted.read_only:
        path = file_of(path, wanted.environment)
    wait = settings.warehouse_wait_seconds
    return DuckDBWarehouse(path, wait_seconds=wait, read_only=wanted.read_only)


def _postgres(url: str, settings: Settings, _google: "Connect | None", wanted: Wanted) -> Warehouse:
    from etl_assets.warehouse.postgres import PostgresWarehouse
    from etl_assets.warehouse.postgres.schemas import Schemas

    return PostgresWarehouse(
        url,
        pool=settings.warehouse_pool,
        wait_seconds=settings.warehouse_wait_seconds,
        schemas=Schemas("" if wanted.read_only else wanted.prefix, wanted.prefix),
        read_only=wanted.read_only,
    )


def _bigquery(url: str, settings: Settings, google: "Connect | None", wanted: Wanted) -> Warehouse:
    with explained("bigquery"):
        from etl_assets.warehouse.bigquery import open_bigquery

    return open_bigquery(url, settings, google, prefix=wanted.prefix, read_only=wanted.read_only)


_BACKENDS: dict[str, Callable[[str, Settings, "Connect | None", Wanted], Warehouse]] = {
    "duckdb": _duckdb,
    "bigquery": _bigquery,
    "postgresql": _postgres,
}
