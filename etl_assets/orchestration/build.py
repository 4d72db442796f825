"""The code location: `build_definitions` assembles it from settings, tests with overrides."""

import warnings
from collections.abc import Mapping

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.table import Layer
from etl_assets.orchestration.arrivals import build_arrival_check, build_arrivals_sensor
from etl_assets.orchestration.assets import build_asset
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.dimensions import dimension_asset
from etl_assets.orchestration.events import (
    build_event_jobs,
    build_event_schedules,
    build_event_sources,
    fed_by,
)
from etl_assets.orchestration.file_index import build_index_jobs
from etl_assets.orchestration.io_managers import WarehouseIOManager
from etl_assets.orchestration.lateness import build_lateness_sensor
from etl_assets.orchestration.new_files import build_files_sensor
from etl_assets.orchestration.partitions import daily
from etl_assets.orchestration.places import source_uri
from etl_assets.orchestration.platform import open_platform
from etl_assets.orchestration.polls import build_polls
from etl_assets.orchestration.retention import build_retention_sensor
from etl_assets.orchestration.schedules import build_schedules
from etl_assets.orchestration.source_assets import source_asset
from etl_assets.orchestration.syncs import build_reconcile_job, build_sync_job
from etl_assets.orchestration.versions import versions_asset
from etl_assets.pipeline.platform import Platform


def build_definitions(
    settings: Settings,
    catalog: Catalog | None = None,
    overrides: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """Every table's assets and checks, the jobs, schedules and sensors; nothing is connected.

    `catalog` are the tables, by default those of ETL_TABLES; those that are broken are left out.
    `overrides` replaces resources by key; a `platform` given here is what IO managers use as well,
    and brings its own catalog.
    """
    with warnings.catch_warnings():
        # Used on purpose: partitioned checks, backfill policies, code references.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _assemble(settings, catalog, overrides or {})


def table_assets(settings: Settings, catalog: Catalog) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of the tables with their checks, without those of their sources."""
    days = daily(settings)
    return [
        *(
            build_asset(settings, catalog, table, days)
            if table.dimension is None
            else dimension_asset(settings, catalog, table, days)
            for table in catalog.values()
        ),
        *(versions_asset(settings, one) for one in catalog.values() if one.versions),
    ]


def arrival_checks(catalog: Catalog) -> list[dg.AssetChecksDefinition]:
    """The checks that are no part of an asset: whether days that are due have arrived."""
    return [build_arrival_check(table) for table in catalog.values() if table.expects is not None]


def _assemble(
    settings: Settings, given: Catalog | None, overrides: Mapping[str, object]
) -> dg.Definitions:
    platform = overrides.get("platform") or open_platform(settings, given_catalog=given)
    assert isinstance(platform, Platform)  # noqa: S101 - an override is a Platform too
    catalog = platform.catalog
    tables = list(catalog.values())
    expecting = [table for table in tables if table.expects is not None]
    jobs = [build_sync_job(tables), build_reconcile_job(tables)]
    index_jobs = build_index_jobs(tables, platform)
    event_jobs = build_event_jobs(settings, tables)
    event_sources = build_event_sources(settings, tables)
    return dg.Definitions(
        assets=[
            *event_sources,
            *(
                source_asset(
                    table, source_uri(platform.sources, table), fed_by(event_sources, table)
                )
                for table in tables
                if table.source
            ),
            *table_assets(settings, catalog),
        ],
        asset_checks=arrival_checks(catalog),
        jobs=[*jobs, *index_jobs, *event_jobs],
        schedules=[
            *build_schedules(settings, jobs),
            *build_polls(settings, tables),
            *build_event_schedules(settings, event_jobs),
        ],
        sensors=[
            *(
                build_lateness_sensor(settings, catalog, layer)
                for layer in (Layer.STAGED, Layer.ENRICHED)
                if any(table.layer is layer for table in tables)
            ),
            *(
                build_files_sensor(settings, table, index_jobs)
                for table in tables
                if table.is_of_files
            ),
            *([build_arrivals_sensor(expecting)] if expecting else []),
            build_retention_sensor(
                settings, [job.name for job in (*jobs, *index_jobs, *event_jobs)]
            ),
        ],
        resources={
            "platform": platform,
            "warehouse_io_manager": WarehouseIOManager(platform),
            **overrides,
        },
        loggers={"console": CONSOLE},
        # A process a step costs seconds of imports each; Polars uses all cores as it is.
        executor=dg.in_process_executor,
    )
