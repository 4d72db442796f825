"""The code location: `build_definitions` assembles it from settings, tests with overrides."""

import warnings
from collections.abc import Mapping

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.table import Layer
from etl_assets.orchestration.assets import build_asset, source_asset
from etl_assets.orchestration.checks import build_checks
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.io_managers import PostgresIOManager, WarehouseIOManager
from etl_assets.orchestration.lateness import build_lateness_sensor
from etl_assets.orchestration.partitions import daily
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.retention import build_retention_sensor
from etl_assets.orchestration.syncs import (
    build_reconcile_job,
    build_schedules,
    build_sync_job,
)
from etl_assets.orchestration.versions import versions_asset
from etl_assets.tables.registry import layer_tables


def build_definitions(
    settings: Settings, overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Every table's assets and checks, the jobs, schedules and sensor; nothing is connected.

    `overrides` replaces resources by key; a `platform` given here is what IO managers use as well.
    """
    with warnings.catch_warnings():
        # Used on purpose: partitioned checks, backfill policies, code references.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _assemble(settings, overrides or {})


def _assemble(settings: Settings, overrides: Mapping[str, object]) -> dg.Definitions:
    partitions = daily(settings)
    tables = list(layer_tables().values())
    platform = overrides.get("platform", Platform(settings))
    assert isinstance(platform, Platform)  # noqa: S101 - an override is a Platform too
    warehouse_kind = (settings.warehouse_url or "duckdb").split(":", 1)[0]
    jobs = [build_sync_job(tables), build_reconcile_job(tables)]
    return dg.Definitions(
        assets=[
            *(source_asset(table, partitions) for table in tables if table.source),
            *(build_asset(table, partitions, warehouse_kind) for table in tables),
            *(
                versions_asset(table, partitions, warehouse_kind)
                for table in tables
                if table.versions
            ),
        ],
        asset_checks=[build_checks(table, partitions) for table in tables],
        jobs=jobs,
        schedules=build_schedules(settings, jobs),
        sensors=[
            *(build_lateness_sensor(settings, layer) for layer in (Layer.STAGED, Layer.ENRICHED)),
            build_retention_sensor(settings, [job.name for job in jobs]),
        ],
        resources={
            "platform": platform,
            "postgres_io_manager": PostgresIOManager(platform),
            "warehouse_io_manager": WarehouseIOManager(platform),
            **overrides,
        },
        loggers={"console": CONSOLE},
        # A process a step costs seconds of imports each; Polars uses all cores as it is.
        executor=dg.in_process_executor,
    )
