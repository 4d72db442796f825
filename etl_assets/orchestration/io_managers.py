"""IO managers: PostgreSQL is only read, the warehouse is read and published to.

They move days; what happens to the rows on the way is the asset's (`assets.py`). No pickles.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.lateness import Loads
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.failures import overtaken
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.names import path_of, raw_path_of
from etl_assets.orchestration.partitions import days_of, partition_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.derive import Upstream
    from etl_assets.sources.postgres.source import PostgresSource


READER = "etl_assets/reader"
"""The metadata of an input that names the table that reads it, by its path."""


class PostgresIOManager(dg.IOManager):
    """Loads days of an external source asset as a `PostgresSource`: lazily, nothing is read yet."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def load_input(self, context: dg.InputContext) -> "PostgresSource":
        """The source of the raw table of the same name."""
        from etl_assets.pipeline.sync_log import columns_seen
        from etl_assets.sources.postgres.source import PostgresSource

        table = self._platform.catalog[raw_path_of(context.asset_key)]
        seen = columns_seen(self._platform.warehouse.look(table))
        return PostgresSource(self._platform.reader(table), table, seen)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Source tables belong to somebody else: nothing is ever written to them."""
        del obj
        raise TypeError(f"{context.asset_key.to_user_string()} is read-only.")


class WarehouseIOManager(dg.IOManager):
    """Publishes audited days, and loads published ones as Polars LazyFrames."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def load_input(self, context: dg.InputContext) -> "Upstream":
        """The upstream partitions that the mapping names: a frame a day, or one of all days."""
        from etl_assets.pipeline.derive import Upstream

        table = self._platform.catalog[path_of(context.asset_key)]
        days = days_of(context.asset_partition_keys) if table.has_days else [WHOLE]
        step = context.step_context
        folder = self._platform.spool_folder(step.run_id, step.step.key) / "in" / context.name
        warehouse = self._platform.warehouse
        # Before the rows: what is published in between makes the day late, never unnoticed.
        loads = Loads({s.partition_key: s.load_id for s in warehouse.state(table)})
        unpublished = frozenset(days) - loads.by_day.keys()
        reader = self._platform.catalog[(context.definition_metadata or {})[READER]]
        as_one = reader.inputs[context.name].all_days_until or not reader.has_days
        if as_one or not table.has_days:
            extract = warehouse.read(table, [Window(days[0], days[-1])], folder)
            return Upstream(table, extract.as_of, {}, extract.frames[0], unpublished, loads)
        extract = warehouse.read(table, [Window.of(day) for day in days], folder)
        frames = dict(zip(days, extract.frames, strict=True))
        return Upstream(table, extract.as_of, frames, unpublished=unpublished, loads=loads)

    def handle_output(self, context: dg.OutputContext, obj: "Sequence[LoadedDay]") -> None:
        """Publish the days, all of them good, and describe each in its materialisation."""
        table = self._platform.catalog[path_of(context.asset_key)]
        try:
            described = self.publish(table, obj, context.step_context.run_id)
        except StalePublication as error:
            raise overtaken(table, error) from None
        for day, metadata in described.items():
            context.step_context.add_asset_metadata(
                metadata=metadata, asset_key=context.asset_key, partition_key=day
            )

    def publish(
        self, table: LayerTable, days: "Sequence[LoadedDay]", run_id: str
    ) -> dict[str | None, Metadata]:
        """Publish good days in one transaction; the metadata of each by partition key, if any.

        Raises what `Warehouse.publish` raises; then nothing has changed.
        """
        from etl_assets.pipeline.publish import publish_days, published_counts

        seconds, publication = publish_days(self._platform.warehouse, table, days, run_id)
        total = sum(published_counts(self._platform.warehouse, table).rows.values())
        return {
            partition_of(loaded.day): day_metadata(
                self._platform.catalog,
                loaded,
                total_rows=total,
                publish_seconds=seconds / len(days),
            )
            | cost_metadata(publication.jobs, len(days))
            for loaded in days
        }
