"""How the systems around the platform are: what `etl-assets doctor` finds beside the tables.

What is asked of a server is `postgres/server_facts.py` and the `health` of each warehouse; here
stands which systems are asked. Nothing is written anywhere.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from etl_assets.config import Settings, shown_url
from etl_assets.core.errors import ConfigError, EtlError
from etl_assets.core.findings import MOST_SKEW, Finding, Level
from etl_assets.core.source_specs import EVENTS_CONNECTION, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.health import (
    LEAST_ROOM,
    rights_finding,
    room_finding,
    unreachable,
    warehouse_findings,
)
from etl_assets.warehouse.urls import warehouse_url

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform

MACHINE = "this machine"


def findings(platform: "Platform", tables: Iterable[LayerTable]) -> Iterator[Finding]:
    """What is found of the sources of these tables, the warehouse, Dagster's storage, this machine
    and the days; errors of a system are findings, and none is raised."""
    skews: dict[str, timedelta] = {}
    connections = {
        table.source.connection for table in tables if isinstance(table.source, PostgresTable)
    }
    for connection in sorted(connections):
        yield from _of_source(platform, connection, skews)
    yield from _of_warehouse(platform, skews)
    yield from _of_dagster(platform.settings)
    yield from _of_machine(platform.settings)
    yield from _of_days(platform.settings)


def _of_source(
    platform: "Platform", connection: str, skews: dict[str, timedelta]
) -> Iterator[Finding]:
    from etl_assets.postgres.server_facts import findings_of_server, findings_of_source

    sources = platform.sources
    try:
        where = f"source {sources.shown(connection)}"
    except ConfigError as error:
        yield unreachable(f"source {connection}", error)
        return
    try:
        facts = sources.reader(connection).facts()
    except EtlError as error:
        yield unreachable(where, error)
        return
    skews[where] = facts.skew
    yield Finding(where, "connection", f"as the role {facts.told.role}")
    yield from findings_of_server(where, facts)
    seconds = platform.settings.statement_timeout_seconds
    # Of the events' own database the role that migrates reads what it wrote itself.
    if connection != EVENTS_CONNECTION or not facts.told.sees_all:
        yield from findings_of_source(where, facts, seconds)


def _of_warehouse(platform: "Platform", skews: dict[str, timedelta]) -> Iterator[Finding]:
    from etl_assets.warehouse.health import shown_warehouse

    settings = platform.settings
    try:
        is_file = warehouse_url(settings).startswith("duckdb:")
        opened = None if is_file else platform.warehouse
    except EtlError as error:
        yield unreachable(shown_warehouse(settings), error)
        return
    layers = list(dict.fromkeys(str(table.layer) for table in platform.catalog.values()))
    found, skew = warehouse_findings(settings, opened, layers)
    yield from found
    if skew is None:
        return
    for where, ahead in skews.items():
        between = ahead - skew
        if abs(between) > MOST_SKEW >= abs(ahead):
            yield Finding(
                where,
                "clock",
                f"its clock is {abs(between).total_seconds():,.0f} s from the warehouse's",
                Level.WARNING,
                "The warehouse orders loads by the source's clock, and ages are wrong by as much.",
                "Let both synchronise with a time server: timedatectl set-ntp true.",
            )


def _of_dagster(settings: Settings) -> Iterator[Finding]:
    url = settings.dagster_postgres_url
    if not url:
        return
    from etl_assets.postgres.connection import check_connection

    where = f"Dagster's storage {shown_url(url)}"
    try:
        check_connection(url, setting="DAGSTER_POSTGRES_URL", what="Dagster's storage")
    except EtlError as error:
        yield unreachable(where, error)
        return
    yield Finding(where, "connection", "it answers")


def _of_machine(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    there = next(one for one in (home, *home.parents) if one.exists())
    yield rights_finding(MACHINE, [there, home, home / "spool"])
    cost = "A load that finds no room for its spool is given up; what was published stays."
    yield room_finding(MACHINE, home, LEAST_ROOM, cost)


def _of_days(settings: Settings) -> Iterator[Finding]:
    newest = settings.newest_partition()
    if settings.first_day > newest:
        yield Finding(
            "ETL_FIRST_DAY",
            "days",
            f"{settings.first_day} is after the newest day, {newest} (UTC)",
            Level.WARNING,
            "The platform has no day yet, so no table with days is loaded.",
            "Set ETL_FIRST_DAY to the first day of the data.",
        )
