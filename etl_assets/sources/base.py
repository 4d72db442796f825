"""What a source is: one table of an outside system, opened at a moment and read by day.

A table of PostgreSQL, files, an HTTP API and events are all read through this. A source must be
able to read a day (`WHOLE` for a table without days); what else it can do it declares
(`Source.cannot`, by `abilities.py`). What a moment can be asked for is `snapshot.py`, what comes of
it `reads.py`. How rows become published ones is decided in `pipeline/`.
"""
# ruff: noqa: ARG002 - what a source cannot do is refused, whatever the arguments are

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Self

from etl_assets.core.drift import SourceColumns, compare, thaw
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.position import Horizon
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability, unable
from etl_assets.sources.snapshot import Snapshot


class Source(ABC):
    """One table of an outside system, for one load, sync or reconciliation.

    `seen` are the source's columns when they were seen last, None if never; `columns` are its
    columns now, once it was opened. `scope` are the days of the platform, on which a key must be
    unique; None is every day. All moments that one object opens must have the same columns
    (C10): `again` gives an object for the next reading.
    """

    def __init__(
        self, table: LayerTable, seen: SourceColumns | None = None, scope: Scope | None = None
    ) -> None:
        self.table = table
        self.seen = seen
        self.scope = scope
        self.columns: SourceColumns = ()
        self._fingerprint: str | None = None

    @property
    @abstractmethod
    def cannot(self) -> Mapping[Ability, str]:
        """What this source cannot do, each with the reason in one sentence."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """One moment, whatever its columns are; raises SourceUnavailable or SourceError.

        Raises ContractMismatch where it lacks a column of the contract, or a dtype does not fit.
        """

    def reach(self) -> None:  # noqa: B027 - not every kind can check this
        """Check that the outside system answers; no data is read.

        Raises SourceUnavailable or SourceError. The default checks nothing: then the first reading
        shows it.
        """

    def missing_rights(self) -> Sequence[str]:
        """The statements that give our role what it lacks to read the table, where a system has
        such; raises SourceUnavailable or SourceError."""
        return ()

    def horizon(self, watermark: datetime | None) -> Horizon:
        """How far changes may be read; ask before the moment is opened that they are read from.

        `watermark` is the moment of the position that a sync goes on from, None for the first.
        Where the cursor is a version, the greatest one was `seen` before the horizon.
        """
        raise unable(self.table, Ability.CHANGES, self.cannot)

    def rows_without_day(self) -> int:
        """How many rows no day can hold, at a moment of its own; raises what `open` raises."""
        with self.open() as snapshot:
            return snapshot.without_day()

    def again(self, seen: SourceColumns | None) -> Self:
        """The same table for another reading, which may find other columns than this one."""
        other = copy.copy(self)
        other.seen, other.columns, other._fingerprint = seen, (), None
        return other

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """One moment, whose columns are checked.

        Raises what `snapshot` raises, and ContractMismatch where the columns changed since this
        object opened the first moment (C10), or in a way that the table's policy forbids.
        """
        with self.snapshot() as snapshot:
            self._fingerprint = self._fingerprint or snapshot.fingerprint
            if self._fingerprint != snapshot.fingerprint:
                raise ContractMismatch(
                    f"The source columns of {self.table.path} changed while it was being read.",
                    "Compare the contract with the table, then run the days again.",
                )
            self.columns = snapshot.columns
            report = compare(self.table, self.columns, self.seen)
            if report.refuses:
                raise ContractMismatch(report.refuses, thaw(self.table))
            snapshot.cannot, snapshot.scope, snapshot.drift = self.cannot, self.scope, report
            yield snapshot
