"""From loaded parts to published ones: the state that belongs to each, and the publication.

The road before it is `load.py`. What a publication does is `warehouse/planning.py`, how rows
get into a warehouse is its backend. Changes of parts are published by `change_set.py`."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.declared.code_version import made_by
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.ledger import ledger_frame
from etl_assets.core.policies import Deletes
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.kept_rows import KeptRows
from etl_assets.pipeline.note_same import note_same
from etl_assets.pipeline.same_rows import NewsOfFiles, same_parts
from etl_assets.pipeline.turns import in_turn
from etl_assets.pipeline.unchanged import as_counted
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.planning import needs_elsewhere, replacement
from etl_assets.warehouse.publication import JobCost, Publication, StagedDay, Staging


@dataclass(frozen=True)
class Committed:
    """What a publication left behind: the states of the parts that it touched, and its costs.

    `states` are of the table itself, `versions` of the parts of its versions table that gained
    rows. `total_rows` is of the whole table, `seconds` the time of the publication. `same` are the
    parts that were left as they are published, because nothing of them changed, with their states.
    """

    states: Sequence[PartitionState] = ()
    versions: Sequence[PartitionState] = ()
    total_rows: int = 0
    seconds: float = 0.0
    jobs: Sequence[JobCost] = ()
    same: Mapping[date, PartitionState] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Publication,
        jobs: Sequence[JobCost],
        began: float,
        same: Mapping[date, PartitionState] | None = None,
    ) -> "Committed":
        """What a plan left behind that was carried out; `began` is of `time.perf_counter`."""
        path = plan.table.path
        return cls(
            same=same or {},
            states=[state for state in plan.states if state.table_name == path],
            versions=[state for state in plan.states if state.table_name != path],
            total_rows=plan.table_state.row_count,
            seconds=time.perf_counter() - began,
            jobs=jobs,
        )


def published_counts(warehouse: Warehouse, table: LayerTable) -> Published:
    """What is published of a table now, by part."""
    states = warehouse.state(table)
    rows = {state.partition_key: state.row_count for state in states}
    first_seen: dict[str, datetime] = {}
    objects: dict[date, dict[str, int]] = {}
    for entry in warehouse.ledger(table) if table.is_of_files else ():
        seen = first_seen.get(entry.object_key, entry.first_seen)
        first_seen[entry.object_key] = min(seen, entry.first_seen)
        objects.setdefault(entry.partition_key, {})[entry.object_key] = entry.rows_published
    loads = {state.partition_key: state.load_id for state in states}
    keeps = KeptRows(table, warehouse, loads) if table.deletes is Deletes.KEEP else None
    return Published(rows, first_seen=first_seen, objects=objects, keeps=keeps)


def publish_days(
    warehouse: Warehouse,
    table: LayerTable,
    days: Sequence[LoadedDay],
    run_id: str,
    *,
    even_same: bool = False,
) -> Committed:
    """Publish the parts, which must all be good, in one transaction.

    Parts that were read from a source and are as they are published stay, unless `even_same`; they
    are only noted to have been read again. Where another run publishes to the table meanwhile, the
    publication is planned anew on what that left behind. Raises StalePublication, WarehouseError
    and what else `Rows.publish` raises; then nothing has changed.
    """
    refused = [str(loaded.day) for loaded in days if not loaded.is_good]
    if refused:
        raise ValueError(f"{table.path} {', '.join(refused)} failed a blocking check.")
    load_id, now = uuid.uuid4().hex, datetime.now(UTC)
    staged = [
        StagedDay(
            loaded.day,
            loaded.source,
            loaded.files,
            loaded.quarantine,
            state_of(loaded, load_id, run_id, now),
            None
            if loaded.ledger is None
            else spooled(loaded.files.folder.parent / "ledger", ledger_frame(loaded.ledger)),
            loaded.gone,
        )
        for loaded in days
    ]
    return publish_staged(warehouse, table, staged, run_id, even_same=even_same)


def publish_staged(
    warehouse: Warehouse,
    table: LayerTable,
    days: Sequence[StagedDay],
    run_id: str,
    *,
    even_same: bool = False,
) -> Committed:
    """Let the staged parts take the place of what is published of them; those that are the same
    stay, unless `even_same`."""
    if not days:
        return Committed()
    began = time.perf_counter()
    bring_columns(warehouse, table, run_id)
    content = None if table.has_days else _content(table, days[0])
    alike = {} if even_same else _alike(warehouse, table, days, content)
    same = note_same(warehouse, table, days, alike, run_id) if alike else {}
    days = [staged for staged in days if staged.day not in same]
    if not days:
        row = warehouse.table_state(table)
        seconds = time.perf_counter() - began
        return Committed(total_rows=row.row_count if row else 0, seconds=seconds, same=same)
    staging = warehouse.stage(table, days, run_id)

    def attempt() -> Committed:
        plan = _planned(warehouse, staging, content)
        return Committed.of(plan, warehouse.publish(plan), began, same)

    try:
        return in_turn(attempt)
    finally:
        warehouse.discard(staging)


def _alike(
    warehouse: Warehouse, table: LayerTable, days: Sequence[StagedDay], content: str | None
) -> Mapping[date, PartitionState]:
    """The parts that are as they are published; `content` is the digest of a table without days."""
    if content is None:
        return same_parts(warehouse, table, days)
    known = warehouse.table_state(table)
    if known is None or known.content != content:
        return {}
    states, news = (
        {s.partition_key: s for s in warehouse.state(table)},
        NewsOfFiles(warehouse, table),
    )
    if table.is_of_files and any(news.found(known, one, days[0]) for one in states.values()):
        return {}
    return as_counted(warehouse, table, states)


def _content(table: LayerTable, whole: StagedDay) -> str:
    """A digest of all that is published of a table without days: contract, rows and quarantine."""
    rows = whole.files.content([column.name for column in table.columns])
    aside = whole.quarantine.content(["rule", "source_position", "payload"])
    return fingerprint([schema_version(table), rows, aside])


def spooled(folder: Path, frame: pl.DataFrame) -> SpoolFiles:
    """The frame in a folder of the spool; no file at all where it has no rows."""
    files = SpoolFiles(folder)
    files.write(frame)
    files.close()
    return files


def _planned(warehouse: Warehouse, staging: Staging, content: str | None) -> Publication:
    has_versions = staging.table.versions is not None and staging.rows > 0
    known = warehouse.recorded(staging.table, versions=has_versions)
    facts = warehouse.facts(
        staging, elsewhere=needs_elsewhere(staging, known), versions=has_versions
    )
    folder = staging.days[0].files.folder.parent / f"leaving-{uuid.uuid4().hex}"
    return replacement(staging, known, facts, lambda keys: spooled(folder, keys), content)


def state_of(loaded: LoadedDay, load_id: str, run_id: str, now: datetime) -> PartitionState:
    """The part's row of `etl_state`, as a publication of it leaves it."""
    watermark = loaded.high_watermark
    if watermark is not None:  # a row stamped 2999 must not move it past the source's clock (C5)
        watermark = min(watermark, loaded.as_of)
    failed = [result.check.name for result in loaded.results if not result.passed]
    return PartitionState(
        table_name=loaded.table.path,
        partition_key=loaded.day,
        high_watermark=watermark,
        watermark_key=loaded.watermark_key,
        row_count=loaded.rows,
        source_count=loaded.source_count,
        quarantined_count=loaded.quarantined,
        checks_passed=sum(result.passed for result in loaded.results),
        checks_failed=len(failed),
        as_of=loaded.as_of,
        load_id=load_id,
        run_id=run_id,
        seconds=sum(loaded.seconds.values()),
        verified_through=None,
        updated_at=now,
        made_of=loaded.made_of,
        failed_checks=",".join(failed) or None,
        made_by=made_by(loaded.table),
    )
