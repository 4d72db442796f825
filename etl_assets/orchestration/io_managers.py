"""The IO manager of the assets: it publishes days to the warehouse. No pickles.

It moves days; what happens to the rows on the way is the asset's (`assets.py`), and so is what the
asset reads (`inputs.py`): Dagster would load inputs also in a run that is asked for checks alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.failures import overtaken, told_as_failures
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.names import path_of, step_of
from etl_assets.orchestration.partitions import partition_of
from etl_assets.orchestration.unchanged import EQUAL, is_forced, unchanged_metadata
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.publish import Committed


class WarehouseIOManager(dg.IOManager):
    """Publishes audited days."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._committed: dict[tuple[str, str], tuple[Committed, dict[str | None, Metadata]]] = {}

    def load_input(self, context: dg.InputContext) -> NoReturn:
        """Nothing is read this way. Raises TypeError."""
        raise TypeError(
            f"{context.asset_key.to_user_string()} is read from the warehouse, and not as an input."
        )

    def handle_output(self, context: dg.OutputContext, obj: "Sequence[LoadedDay]") -> None:
        """Publish the days, all of them good, and describe each in its materialisation."""
        table = self._platform.catalog[path_of(context.asset_key)]
        run_id = context.step_context.run_id
        with told_as_failures():
            try:
                even_same = is_forced(context.step_context.run_tags)
                committed, described = self.publish(table, obj, run_id, even_same=even_same)
            except BaseException as error:
                self._platform.end_spool(run_id, step_of(table))
                if isinstance(error, StalePublication):
                    raise overtaken(table, error) from None
                raise
        self._committed[run_id, table.path] = committed, described
        for day, metadata in described.items():
            context.step_context.add_asset_metadata(
                metadata=metadata, asset_key=context.asset_key, partition_key=day
            )

    def committed(
        self, run_id: str, table: LayerTable
    ) -> "tuple[Committed, dict[str | None, Metadata]]":
        """What the publication of a run's output left behind, and the metadata of each part; to be
        asked for once."""
        return self._committed.pop((run_id, table.path))

    def publish(
        self,
        table: LayerTable,
        days: "Sequence[LoadedDay]",
        run_id: str,
        *,
        even_same: bool = False,
    ) -> "tuple[Committed, dict[str | None, Metadata]]":
        """Publish good days in one transaction; the metadata of each by partition key, if any.

        Raises what `publish_days` raises; then nothing has changed.
        """
        from etl_assets.pipeline.publish import publish_days

        warehouse = self._platform.warehouse
        committed = publish_days(warehouse, table, days, run_id, even_same=even_same)
        return committed, {
            partition_of(loaded.day): day_metadata(
                self._platform.catalog,
                loaded,
                total_rows=committed.total_rows,
                publish_seconds=committed.seconds / len(days),
            )
            | cost_metadata(committed.jobs, len(days))
            | unchanged_metadata(committed.same.get(loaded.day), EQUAL)
            for loaded in days
        }
