"""IO managers: PostgreSQL is only read, the warehouse is read and published to.

They move days; what happens to the rows on the way is the asset's (`assets.py`). No pickles.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.lateness import Loads
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.failures import overtaken, told_as_failures
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.partitions import days_of
from etl_assets.orchestration.platform import Platform
from etl_assets.tables.registry import layer_tables

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.derive import Upstream
    from etl_assets.sources.postgres.source import PostgresSource


class PostgresIOManager(dg.IOManager):
    """Loads days of an external source asset as a `PostgresSource`: lazily, nothing is read yet."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @told_as_failures()
    def load_input(self, context: dg.InputContext) -> "PostgresSource":
        """The source of the raw table of the same name."""
        from etl_assets.pipeline.sync_log import columns_seen
        from etl_assets.sources.postgres.source import PostgresSource

        table = layer_tables()[f"raw/{context.asset_key.path[-1]}"]
        seen = columns_seen(self._platform.warehouse.look(table))
        return PostgresSource(self._platform.reader(), table, seen)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Source tables belong to somebody else: nothing is ever written to them."""
        del obj
        raise TypeError(f"{context.asset_key.to_user_string()} is read-only.")


class WarehouseIOManager(dg.IOManager):
    """Publishes audited days, and loads published ones as Polars LazyFrames."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @told_as_failures()
    def load_input(self, context: dg.InputContext) -> "Upstream":
        """The upstream partitions that the mapping names: a frame a day, or one of all days."""
        from etl_assets.pipeline.derive import Upstream

        table = layer_tables()["/".join(context.asset_key.path)]
        days = days_of(context.asset_partition_keys)
        step = context.step_context
        folder = self._platform.spool_folder(step.run_id, step.step.key) / "in" / context.name
        warehouse = self._platform.warehouse
        # Before the rows: what is published in between makes the day late, never unnoticed.
        loads = Loads({s.partition_key: s.load_id for s in warehouse.state(table)})
        unpublished = frozenset(days) - loads.by_day.keys()
        if (context.definition_metadata or {}).get("all_days_until"):
            extract = warehouse.read(table, [Window(days[0], days[-1])], folder)
            return Upstream(table, extract.as_of, {}, extract.frames[0], unpublished, loads)
        extract = warehouse.read(table, [Window.of(day) for day in days], folder)
        frames = dict(zip(days, extract.frames, strict=True))
        return Upstream(table, extract.as_of, frames, unpublished=unpublished, loads=loads)

    def handle_output(self, context: dg.OutputContext, obj: "Sequence[LoadedDay]") -> None:
        """Publish the days, all of them good, and describe each in its materialisation."""
        table = layer_tables()["/".join(context.asset_key.path)]
        with told_as_failures():
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
    ) -> dict[str, Metadata]:
        """Publish good days in one transaction; the metadata of each by partition key.

        Raises what `Warehouse.publish` raises; then nothing has changed.
        """
        from etl_assets.pipeline.publish import publish_days, published_counts

        seconds, publication = publish_days(self._platform.warehouse, table, days, run_id)
        total = sum(published_counts(self._platform.warehouse, table).rows.values())
        return {
            loaded.day.isoformat(): day_metadata(
                loaded, total_rows=total, publish_seconds=seconds / len(days)
            )
            | cost_metadata(publication.jobs, len(days))
            for loaded in days
        }
