"""What a command works with: platform and tables. Nothing is connected here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from etl_assets.cli.output import print_error

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.core.catalog import Catalog
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform


def open_platform(settings: "Settings | None" = None, **more: Any) -> "Platform":
    """The platform of these settings, by default of the environment's; `more` are its fields."""
    from etl_assets.config import read_settings
    from etl_assets.orchestration.platform import open_platform as opened

    return opened(settings or read_settings(), **more)


def catalog_of(platform: "Platform") -> "Catalog":
    """The platform's tables, upstream first; what is wrong with those left out goes to stderr."""
    for message in platform.catalog.errors:
        print_error(message)
    return platform.catalog


def say_sources(platform: "Platform", tables: "Iterable[LayerTable]") -> None:
    """Say which databases the tables are read from; raises ConfigError where there is none."""
    import click

    databases = platform.read_from(tables)
    if databases:
        click.echo(f"Read from {', '.join(databases)}.")
