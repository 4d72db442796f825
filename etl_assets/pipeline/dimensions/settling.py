"""Publishes the versions of a run with what they were made of, and marks the facts that see them.

Until the days of facts are marked the dimension counts as late (`marks.py` says why): it is
published first, then the marks are, and with them it is settled.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.errors import LostTurn
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import readings
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.dimensions.making import Made
from etl_assets.pipeline.dimensions.marks import Marks, Reader, days_that_differ, every_day
from etl_assets.pipeline.publish import Committed, state_of
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import table_state_after
from etl_assets.warehouse.publication import Publication, StagedDay


@dataclass(frozen=True)
class Settling:
    """Publishes what was made of `table`; `folder` is the run's, `sk` its surrogate key."""

    warehouse: Warehouse
    table: LayerTable
    sk: str
    folder: Path
    run_id: str

    def publish(
        self,
        made: Made,
        before: Before,
        loads: Mapping[str, Mapping[date, str]],
        *,
        settled: bool,
    ) -> Committed:
        """One transaction: the versions, and `loads`, what was read of each path by part.

        With `settled` no fact has to be marked. Raises LostTurn and what the warehouse raises.
        """
        began, now, load_id = time.perf_counter(), datetime.now(UTC), uuid.uuid4().hex
        state = state_of(made.loaded, load_id, self.run_id, now)
        # Until the facts that see it are marked it counts as late (`marks.py`).
        state = state if settled else replace(state, made_of=None)
        notes = [
            note
            for path, read in loads.items()
            for note in readings(self.table.path, path, read, self.run_id, now)
        ]
        staged = StagedDay(
            WHOLE, made.loaded.source, made.loaded.files, made.loaded.quarantine, state
        )
        staging = self.warehouse.stage(self.table, [staged], self.run_id)
        try:
            leaving = _column(made.leaving, self.sk, self.folder / "leaving_keys")
            publication = Publication(
                staging=staging,
                token=before.recorded.token,
                table_state=table_state_after(self.table, before.recorded, [state], [staged]),
                states=[state, *notes],
                leaving=leaving if leaving.rows else None,
                leaving_from=[WHOLE],
                cleared=made.cleared,
            )
            return Committed.of(publication, self.warehouse.publish(publication), began)
        finally:
            self.warehouse.discard(staging)

    def settle(
        self,
        made: Made,
        readers: Sequence[Reader],
        committed: Committed,
        target: str,
        *,
        every: bool,
    ) -> Marks:
        """Mark the days of facts that see something else, and let the dimension count as made.

        `every` marks all days of the readers. Returns the marks.
        """
        leaving, coming = made.frames()
        marks: dict[str, set[date]] = {}
        for number, reader in enumerate(readers):
            folder = self.folder / f"marks-{number}"
            days = (
                every_day(self.warehouse, reader)
                if every
                else days_that_differ(self.warehouse, reader, leaving, coming, folder)
            )
            marks.setdefault(reader.table.path, set()).update(days)
        (state,) = committed.states
        before = Before.of(self.warehouse, self.table)
        current = before.states.get(WHOLE)
        if current is None or current.load_id != state.load_id:
            return marks  # another run published since, and marks every day itself
        now = datetime.now(UTC)
        notes = [
            note
            for path, days in marks.items()
            for note in readings(
                path, self.table.path, dict.fromkeys(days, state.load_id), self.run_id, now
            )
        ]
        staging = self.warehouse.stage(self.table, [], self.run_id)
        settled = replace(state, made_of=target)
        token = uuid.uuid4().hex
        assert before.table_state is not None  # noqa: S101 - it was published just now
        try:
            self.warehouse.publish(
                Publication(
                    staging=staging,
                    token=before.recorded.token,
                    table_state=replace(before.table_state, load_id=token, updated_at=now),
                    states=[settled, *notes],
                )
            )
        except LostTurn:
            return marks  # the same
        finally:
            self.warehouse.discard(staging)
        return marks


def _column(files: SpoolFiles, name: str, folder: Path) -> SpoolFiles:
    """One column of spooled rows, in files of its own."""
    taken = SpoolFiles(folder)
    for path in files.files:
        taken.write(pl.read_parquet(path, columns=[name], glob=False))
    taken.close()
    return taken
