"""What a process works with: catalog, sources, warehouse and spool, each made when it is used.

Importing this module loads no driver, no Dagster, and reads no environment.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etl_assets.config import DEMO_TABLES, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.column_lineage import every_column_read
from etl_assets.core.errors import ConfigError, EtlError
from etl_assets.core.gained import lacking_by_table
from etl_assets.core.keeping import is_closed
from etl_assets.core.lateness import Late, late_days
from etl_assets.core.personal import hash_with
from etl_assets.core.reload_reasons import asked_again
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import DEFAULT_CONNECTION
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.hash_key import hash_key
from etl_assets.sources.factory import Sources

if TYPE_CHECKING:
    from etl_assets.core.state import PartitionState, TableState
    from etl_assets.pipeline.file_days import FilesLook, FoundObject
    from etl_assets.pipeline.file_watch import Watch, Watched
    from etl_assets.pipeline.hints import Hints
    from etl_assets.pipeline.reconcile import Reconciliation
    from etl_assets.pipeline.sync import Sync
    from etl_assets.pipeline.sync_part import SyncPolicy
    from etl_assets.pipeline.sync_report import SyncReport
    from etl_assets.sources.base import Source
    from etl_assets.sources.files.indexing import FileIndex
    from etl_assets.warehouse.base import Warehouse
    from etl_assets.warehouse.bigquery.clients import Connect


@dataclass
class Platform:
    """The platform as the settings have it.

    `given_catalog` are its tables, None for those of the settings' packages; `google` makes
    BigQuery's clients, None for Google's default credentials. `on_day` is told of each day that
    was loaded and checked: table path, day, whether it is good; `on_note` of what a person should
    know of a load that went well; `on_begin` of each table whose sync begins, `on_sync` and
    `on_reconciled` of what came of it; `on_failure` of each op that failed for good. `on_work` is
    told of the steps that follow: what a step is (in the singular), how many there are (None where
    nobody knows), and what is done; `on_wait` of what a sync waits for.
    """

    settings: Settings
    on_day: Callable[[str, date, bool], None] = lambda _table, _day, _good: None
    on_note: Callable[[str], None] = lambda _text: None
    on_begin: Callable[[str], None] = lambda _table: None
    on_sync: "Callable[[SyncReport], None]" = lambda _report: None
    on_reconciled: "Callable[[Reconciliation], None]" = lambda _found: None
    on_failure: Callable[[str, str], None] = lambda _op, _message: None
    on_work: Callable[[str, int | None, str], None] = lambda _unit, _total, _label: None
    on_wait: Callable[[str], None] = lambda _told: None
    given_catalog: Catalog | None = None
    google: "Connect | None" = None
    sources: Sources = field(init=False)
    _spools: dict[tuple[str, str], ExitStack] = field(init=False, default_factory=dict)
    _is_for_demo: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.sources = Sources(self.settings, self.file_index)
        # Of a process with several platforms the last one says it; they share their settings.
        hash_with(lambda: hash_key(self.settings))

    @cached_property
    def catalog(self) -> Catalog:
        """The tables that the warehouse can hold; raises ConfigError for a package of ETL_TABLES
        that cannot be imported."""
        from etl_assets.table_modules import tables_from
        from etl_assets.warehouse.names import fitting

        given = self.given_catalog
        return fitting(tables_from(self.settings.tables) if given is None else given, self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        """The warehouse of WAREHOUSE_URL."""
        from etl_assets.warehouse.factory import open_warehouse

        return open_warehouse(self.settings, self.google)

    def source(self, table: LayerTable) -> "Source":
        """The table at its source, with what is remembered of its columns.

        Raises what `unseen_source` raises.
        """
        from etl_assets.pipeline.sync_log import columns_seen

        source = self.unseen_source(table)
        return source.again(columns_seen(self.warehouse.table_state(table)))

    def unseen_source(self, table: LayerTable) -> "Source":
        """The same without what is remembered, for which no warehouse is asked.

        Raises ConfigError where no setting says where the source is, and where only the demo shop
        is there and the warehouse holds other tables than the demo's.
        """
        if table.source and self.sources.holds_demo_rows(table.source):
            self.refuse_demo_rows()
        return self.sources.source(table, self.scope)

    def read_from(self, tables: Iterable[LayerTable]) -> list[str]:
        """Which databases these tables are read from, for messages; raises ConfigError.

        DATABASE_URL comes first, as it is what a beginner forgets.
        """
        sources = [table.source for table in tables if table.source]
        sources.sort(key=lambda source: source.connection != DEFAULT_CONNECTION)
        return list(dict.fromkeys(map(self.sources.read_from, sources)))

    @property
    def scope(self) -> Scope:
        """The days that the platform has."""
        return Scope(self.settings.first_day, self.settings.last_day)

    def closed_days(self, table: LayerTable, days: Iterable[date]) -> set[date]:
        """Those of the days that are published and closed, by the source's clock.

        None where the source does not answer: a load of the days then says why.
        """
        if table.source is None or table.keep_before is None:
            return set()
        published = {state.partition_key for state in self.warehouse.state(table)}
        try:
            with self.source(table).open() as snapshot:
                now = snapshot.as_of
        except EtlError:
            return set()
        return {day for day in days if day in published and is_closed(table, day, now)}

    def late(self) -> list[Late]:
        """The derived days of this platform that must be made again, upstream tables first.

        Days that it does not have, or that have not come yet, are none of them.
        """
        return self.late_of(self.warehouse.seen.state(), self.table_rows())

    def table_rows(self) -> "list[TableState]":
        """What is published of each table; each derived one says with which columns."""
        from etl_assets.pipeline.gained import with_columns_there

        return with_columns_there(self.warehouse, self.catalog, self.warehouse.seen.table_states())

    def late_of(
        self, states: "Iterable[PartitionState]", tables: "Iterable[TableState]"
    ) -> list[Late]:
        """The same by what these states of parts and of tables say is published."""
        newest, scope, states = self.settings.newest_partition(), self.scope, list(states)
        return late_days(
            self.catalog,
            states,
            lambda day: day <= newest and scope.has(day),
            lacking_by_table(self.catalog, states, tables),
            self.reads,
        )

    def reads(self, table: LayerTable) -> frozenset[tuple[str, str]]:
        """What a derived table reads, as (path of an input, column)."""
        return every_column_read(table, tuple(self.catalog.inputs_of(table).values()))

    def look_at_files(self, table: LayerTable) -> "FilesLook":
        """All objects of a table of files against what its days were made of; no rows are read.

        The ledger is asked only where a day is late. Raises what listing and warehouse raise.
        """
        from etl_assets.pipeline.file_ticks import look_at_all

        return look_at_all(self, table)

    def watch_files(
        self, table: LayerTable, watch: "Watch", days: Iterable[date] = ()
    ) -> "tuple[FilesLook, Watched]":
        """The same of what a tick lists: these days, recent ones, and the next part of a sweep."""
        from etl_assets.pipeline.file_ticks import look_at_next

        return look_at_next(self, table, watch, days)

    def hints(self, table: LayerTable) -> "Hints":
        """The days of a table of files that hints name."""
        from etl_assets.pipeline.hints import read_hints
        from etl_assets.sources.files.declared import files_of

        return read_hints(self.settings.home, table, files_of(table))

    def forgotten(self, table: LayerTable) -> Mapping[date, str]:
        """The days of a table of files that shall be loaded again, with the reason of each."""
        reasons = self.reload_reasons(table).items()
        return {day: why for day, text in reasons if (why := asked_again(text))}

    def reload_reasons(self, table: LayerTable) -> Mapping[date, str]:
        """The days that were refused or forgotten, or that a sync must load, each with why."""
        state = self.warehouse.table_state(table)
        return state.reload_reasons if state else {}

    def objects_of(self, table: LayerTable) -> "list[FoundObject]":
        """The objects of a table of files, in its listing and in the ledger, by part and key."""
        from etl_assets.pipeline.file_days import objects_of
        from etl_assets.pipeline.file_ticks import listing_of

        listing = listing_of(self, table, self.sources.store(table))
        return objects_of(listing, self.warehouse.seen.ledger(table), self.reload_reasons(table))

    def index_files(self, table: LayerTable) -> int:
        """Read the objects of a table whose rows say their day that were not read yet, so that it
        is known which days they have; how many objects there are. Raises what reading raises."""
        from etl_assets.pipeline.file_index import bring_up_to_date

        return bring_up_to_date(self.unseen_source(table))

    def file_index(self, table: LayerTable) -> "FileIndex":
        """Where it is kept which days the objects of a table have whose rows say their day."""
        from etl_assets.pipeline.file_index import WarehouseIndex

        return WarehouseIndex(lambda: self.warehouse, table)

    def bad_lines_of(self, table: LayerTable, key: str, part: date) -> list[dict[str, str]]:
        """What is in quarantine of an object: `rule`, `position` and `raw` of each line."""
        from etl_assets.pipeline.file_days import lines_of

        return lines_of(table, key, self.warehouse.seen.quarantined(table, days=[part]))

    def sync(self, table: LayerTable, folder: Path, run_id: str) -> "Sync":
        """A sync of the table, with `folder` of the spool to work in; raises ConfigError."""
        from etl_assets.pipeline.sync import Sync

        return Sync(
            table,
            self.source(table),
            self.warehouse,
            self.scope,
            folder,
            run_id,
            self.sync_policy(),
        )

    def sync_policy(self) -> "SyncPolicy":
        """How tables sync, as the settings have it."""
        from etl_assets.pipeline.sync_part import SyncPolicy

        sync = self.settings.sync
        return SyncPolicy(
            chunk_rows=sync.chunk_rows,
            chunk_bytes=sync.chunk_bytes,
            patience=timedelta(seconds=sync.patience),
            on_wait=self.on_wait,
        )

    def close(self) -> None:
        """Close idle connections to sources and warehouse; using it again opens new ones."""
        self.sources.close()
        if "warehouse" in self.__dict__:
            self.warehouse.seen.close()

    @contextmanager
    def spool(self, run_id: str, step: str) -> Iterator[Path]:
        """The folder of one step of one run, which is gone after the context or `end_spool`."""
        from etl_assets.spool import run_spool

        with ExitStack() as stack:
            self._spools[run_id, step] = stack
            try:
                yield stack.enter_context(run_spool(self.settings.home, run_id, step))
            finally:
                self._spools.pop((run_id, step), None)

    def end_spool(self, run_id: str, step: str) -> None:
        """Remove the folder although its context is not left.

        A generator whose output could not be published is closed by nobody: its process may end
        before it is collected.
        """
        if stack := self._spools.pop((run_id, step), None):
            stack.close()

    def spool_folder(self, run_id: str, step: str) -> Path:
        """Where that folder is or will be."""
        from etl_assets.spool import spool_folder

        return spool_folder(self.settings.home, run_id, step)

    def refuse_demo_rows(self) -> None:
        """Raises ConfigError where the warehouse holds what the demo cannot have published.

        That is asked once where all tables of this platform are the demo's: what it publishes then
        cannot make the answer another one.
        """
        from etl_assets.demo.marker import not_of_demo
        from etl_assets.table_modules import tables_from

        if self._is_for_demo:
            return
        of_demo = tables_from(DEMO_TABLES)
        others = not_of_demo(self.warehouse.seen.state(), of_demo)
        if others:
            raise ConfigError(
                "DATABASE_URL is not set, and the warehouse holds tables that are not the demo's: "
                f"{', '.join(others[:3])}{' …' if len(others) > 3 else ''}.",
                "Set DATABASE_URL to the database that they are read from; the demo shop is not "
                "published into them.",
            )
        self._is_for_demo = all(path in of_demo for path in self.catalog)
