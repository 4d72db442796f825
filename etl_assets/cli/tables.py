"""The tables that a command is about: those named, or all. What is broken is said first."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from etl_assets.core.errors import ConfigError

if TYPE_CHECKING:
    from etl_assets.core.catalog import Catalog
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform


def catalog_of(platform: "Platform") -> "Catalog":
    """The platform's tables; what is wrong with those that are left out is printed to stderr."""
    for message in platform.catalog.errors:
        print_error(message)
    return platform.catalog


def chosen(catalog: "Catalog", paths: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all. Raises SpecError for a broken one, UnknownTable for any other."""
    return [catalog.table(path) for path in paths or catalog]


def syncing(catalog: "Catalog", paths: Sequence[str]) -> "list[LayerTable]":
    """The named tables that have a cursor, or all that have one.

    Raises ConfigError for one that has none, and what `chosen` raises.
    """
    tables = chosen(catalog, paths)
    for table in tables if paths else ():
        if not table.syncs:
            raise ConfigError(
                f"{table.path} has no cursor, so what changed in it cannot be read.",
                f"These can be synced: {', '.join(t.path for t in catalog.values() if t.syncs)}.",
            )
    return [table for table in tables if table.syncs]


def say_sources(platform: "Platform", tables: "Iterable[LayerTable]") -> None:
    """Say which databases these tables are read from; ConfigError where there is none."""
    databases = platform.read_from(tables)
    if databases:
        Console().print(f"Read from {', '.join(databases)}.", highlight=False)


def print_error(message: str) -> None:
    """An error in a terminal, on stderr."""
    Console(stderr=True).print(f"[bold red]error:[/] {message}", highlight=False)
