"""Ticks of the sensor of the shipments, as Dagster makes them, and the runs they ask for."""

from typing import Any

import dagster as dg

from etl_assets.orchestration.build import build_definitions
from etl_assets_tests.files.shipments import Shipments


class Ticks:
    """The table's sensor on an instance in memory, and the runs that it asks for."""

    def __init__(self, shipments: Shipments, instance: dg.DagsterInstance) -> None:
        self.platform, self.instance = shipments.platform, instance
        self.definitions = build_definitions(
            shipments.platform.settings, overrides={"platform": shipments.platform}
        )
        self.sensor = self.definitions.get_repository_def().get_sensor_def("new_files__shipments")
        self.cursor: str | None = None

    def tick(self) -> Any:
        """One evaluation; its cursor is kept as the daemon does."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.definitions.get_repository_def(),
            resources={"platform": self.platform},
        )
        done = self.sensor.evaluate_tick(context)
        self.cursor = done.cursor
        return done

    def run(self, request: Any) -> bool:
        """Carry a requested run out; whether it went well."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=request.asset_selection,
            tags=request.tags,
            raise_on_error=False,
        ).success


def spans(tick: Any) -> list[tuple[str, str]]:
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in tick.run_requests or []
    ]
