"""IO managers: PostgreSQL is only read, the warehouse is read and published to.

They move days; what happens to the rows on the way is the asset's (`assets.py`). No pickles.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.failures import overtaken, told_as_failures
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.names import path_of, raw_path_of, step_of
from etl_assets.orchestration.partitions import days_of, partition_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.derive import Upstream
    from etl_assets.pipeline.publish import Committed
    from etl_assets.sources.base import Source


READER = "etl_assets/reader"
"""The metadata of an input that names the table that reads it, by its path."""


class PostgresIOManager(dg.IOManager):
    """Loads an external source asset as a `Source`: lazily, nothing is read yet."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @told_as_failures()
    def load_input(self, context: dg.InputContext) -> "Source":
        """The source of the raw table of the same name."""
        return self._platform.source(self._platform.catalog[raw_path_of(context.asset_key)])

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Source tables belong to somebody else: nothing is ever written to them."""
        del obj
        raise TypeError(f"{context.asset_key.to_user_string()} is read-only.")


class WarehouseIOManager(dg.IOManager):
    """Publishes audited days, and loads published ones as Polars LazyFrames."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._committed: dict[tuple[str, str], Committed] = {}

    @told_as_failures()
    def load_input(self, context: dg.InputContext) -> "Upstream":
        """The upstream partitions that the mapping names: a frame a day, or one of all days."""
        from etl_assets.pipeline.derive import read_upstream

        table = self._platform.catalog[path_of(context.asset_key)]
        days = days_of(context.asset_partition_keys) if table.has_days else [WHOLE]
        step = context.step_context
        folder = self._platform.spool_folder(step.run_id, step.step.key) / "in" / context.name
        reader = self._platform.catalog[(context.definition_metadata or {})[READER]]
        return read_upstream(
            self._platform.warehouse,
            table,
            reader.inputs[context.name],
            days,
            folder,
            reader=reader,
            run_id=step.run_id,
        )

    def handle_output(self, context: dg.OutputContext, obj: "Sequence[LoadedDay]") -> None:
        """Publish the days, all of them good, and describe each in its materialisation."""
        table = self._platform.catalog[path_of(context.asset_key)]
        run_id = context.step_context.run_id
        with told_as_failures():
            try:
                committed, described = self.publish(table, obj, run_id)
            except BaseException as error:
                self._platform.end_spool(run_id, step_of(table))
                if isinstance(error, StalePublication):
                    raise overtaken(table, error) from None
                raise
        self._committed[run_id, table.path] = committed
        for day, metadata in described.items():
            context.step_context.add_asset_metadata(
                metadata=metadata, asset_key=context.asset_key, partition_key=day
            )

    def committed(self, run_id: str, table: LayerTable) -> "Committed":
        """What the publication of a run's output left behind; to be asked for once."""
        return self._committed.pop((run_id, table.path))

    def publish(
        self, table: LayerTable, days: "Sequence[LoadedDay]", run_id: str
    ) -> "tuple[Committed, dict[str | None, Metadata]]":
        """Publish good days in one transaction; the metadata of each by partition key, if any.

        Raises what `publish_days` raises; then nothing has changed.
        """
        from etl_assets.pipeline.publish import publish_days

        committed = publish_days(self._platform.warehouse, table, days, run_id)
        told = {"unchanged": True} if committed.unchanged else {}
        return committed, {
            partition_of(loaded.day): day_metadata(
                self._platform.catalog,
                loaded,
                total_rows=committed.total_rows,
                publish_seconds=committed.seconds / len(days),
            )
            | cost_metadata(committed.jobs, len(days))
            | told
            for loaded in days
        }
