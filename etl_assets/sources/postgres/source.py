"""A source table of PostgreSQL as a `Source`: what a load, a sync and a reconciliation open."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from etl_assets.core.drift import SourceColumns
from etl_assets.core.position import Horizon
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability, unable
from etl_assets.sources.base import Source
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets.sources.postgres.opened import cannot_of
from etl_assets.sources.postgres.reader import PostgresReader, TableSnapshot


class PostgresSource(Source):
    """One raw table; `policy` says how careful its syncs are."""

    def __init__(
        self,
        reader: PostgresReader,
        table: LayerTable,
        seen: SourceColumns | None = None,
        scope: Scope | None = None,
        policy: HorizonPolicy | None = None,
    ) -> None:
        super().__init__(table, seen, scope)
        self.reader = reader
        self.policy = policy or HorizonPolicy()

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """Without a cursor changes cannot be told, and not every key can be compared."""
        return cannot_of(self.table)

    def reach(self) -> None:
        """See `PostgresReader.connect`."""
        self.reader.connect()

    def missing_rights(self) -> list[str]:
        """See `PostgresReader.missing_rights`."""
        return self.reader.missing_rights(self.table)

    def snapshot(self) -> AbstractContextManager[TableSnapshot]:
        """One moment; see `PostgresReader.snapshot`."""
        return self.reader.snapshot(self.table)

    def horizon(self, watermark: datetime | None) -> Horizon:
        """See `PostgresReader.horizon`."""
        if Ability.CHANGES in self.cannot:
            raise unable(self.table, Ability.CHANGES, self.cannot)
        seen, cursor = None, self.table.cursor
        if cursor is not None and not cursor.has_moments:
            seen = self.reader.greatest_version(self.table, self.policy)
        return replace(self.reader.horizon(self.policy, watermark, self.table), seen=seen)
