"""A source table and the warehouse that it goes to, and the check that every case ends in.

What a sync or a reconciliation leaves behind must be what a full load into an empty warehouse
makes of the same source: the same rows published, the same rows set aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.reconcile import Reconciliation, Reconciling
from etl_assets.pipeline.run_days import load, reload
from etl_assets.pipeline.sync import Chunk, Sync
from etl_assets.pipeline.sync_part import SyncPolicy
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run
from etl_assets_tests.sync.shelf import CLOSE

FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(12)]
ANY = Thresholds(max_bad_share=1.0, min_share_of_last=0.0)
"""A day is published however many of its rows are set aside."""
MOMENTS = {"created_at": UTC_MOMENT, "updated_at": UTC_MOMENT}


def cased(
    dtypes: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    key: Sequence[str] = ("id",),
    **changes: Any,
) -> LayerTable:
    """`things` with these columns, created_at (the day) and updated_at (the cursor)."""
    required = {name: {"nullable": False} for name in ("created_at", "updated_at")}
    made = layer_table(
        {**dtypes, **MOMENTS}, {**required, **(options or {})}, partition="created_at", key=key
    )
    made = replace(made, cursor_column="updated_at", lookback=timedelta(0), thresholds=ANY)
    made = replace(made, **changes)
    return replace(made, versions=versions_of(made))


@dataclass
class Road:
    """The table in the source (`url`), and the warehouse that it goes to."""

    url: str
    table: LayerTable
    warehouse: Warehouse
    folder: Path
    reader: PostgresReader
    scope: Scope = field(default_factory=lambda: Scope(FIRST))

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Change or ask the source, each statement in a transaction of its own."""
        return run(self.url, *statements)

    def source(self) -> PostgresSource:
        """The table by days."""
        return PostgresSource(self.reader, self.table, None, self.scope, CLOSE)

    def syncing(self) -> Sync:
        """A sync that is not run yet."""
        policy = SyncPolicy(patience=timedelta(seconds=20))
        return Sync(
            self.table, self.source(), self.warehouse, self.scope, self._folder(), "sync", policy
        )

    def sync(self) -> list[Chunk]:
        """A whole sync, and the days that must be loaded whole."""
        chunks = list(self.syncing().run())
        reload(self.table, self.source(), self.warehouse, self._folder(), "reload")
        return chunks

    def reconcile(self, *, repair: bool = True, confirmed: bool = False) -> Reconciliation:
        """A comparison, repaired unless said otherwise."""
        return Reconciling(
            self.table, self.source(), self.warehouse, self.scope, self._folder(), "check"
        ).run(repair=repair, confirmed=confirmed)

    def load(self, days: Sequence[date] = DAYS) -> None:
        """Days as a backfill loads them and publishes the good ones."""
        parts = days if self.table.has_days else [WHOLE]
        loaded = load(self.table, self.source(), self.warehouse, parts, self._folder(), "load")
        publish_days(self.warehouse, self.table, loaded.good, "load")

    def published(self) -> list[tuple[Any, ...]]:
        """What is published, sorted, without the platform's own columns."""
        windows = [Window(DAYS[0], DAYS[-1]) if self.table.has_days else Window.of(WHOLE)]
        extract = self.warehouse.read(self.table, windows, self._folder())
        frame = extract.frames[0].select([column.name for column in self.table.columns]).collect()
        return sorted(frame.rows(), key=repr)

    def quarantined(self) -> list[tuple[date, str, str]]:
        """Day, rule and the row's own values as JSON of what is set aside, sorted."""
        rows = self.warehouse.quarantined(self.table)
        return sorted(rows.select("partition_key", "rule", "payload").rows())

    def rules(self) -> list[str]:
        """The rules of what is set aside, sorted."""
        return sorted(rule for _, rule, _ in self.quarantined())

    def assert_settled(self) -> None:
        """Fail unless a comparison finds nothing, and a full load into an empty warehouse makes
        exactly what is here."""
        found = self.reconcile(repair=False)
        assert found.is_equal, found.differences
        fresh = DuckDBWarehouse(self._folder() / "fresh.duckdb")
        whole = replace(self, warehouse=fresh)
        whole.load()
        assert self.published() == whole.published()
        assert self.quarantined() == whole.quarantined()

    def _folder(self) -> Path:
        folder = self.folder / uuid4().hex
        folder.mkdir()
        return folder
