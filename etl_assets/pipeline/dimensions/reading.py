"""What a run of a dimension has to read: the changes of the keys that changed, or all of them.

The input's parts that were published since the last run are read, the keys in them are looked up in
the whole input and in the dimension. All travels in buckets of whole keys, so that no more of it is
in memory than one of them. How versions are made is `core/history.py`.
"""

from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import HISTORY, Dimension, Snapshots, keyed
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.publish import spooled
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse

BUCKET_ROWS = 400_000
"""How many changes and versions a bucket should have at most, on average."""

_BATCH_ROWS = 131_072
_ROUND = 4


@dataclass(frozen=True)
class Bucket:
    """Some keys, whole: their changes as `prepare` made them, and their published versions."""

    changes: pl.DataFrame
    published: pl.DataFrame


@dataclass(frozen=True)
class Wanted:
    """What has to be read: the parts of the input that were published since, or with `whole` all.

    `parts` are the input's parts as they are published now. `gone` are keys that were deleted, in
    the input's columns.
    """

    parts: Mapping[date, PartitionState]
    changed: frozenset[date]
    whole: bool
    gone: pl.DataFrame | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing has to be read."""
        return not self.changed and (self.gone is None or not self.gone.height)


def noted_loads(
    dimension: Dimension, parts: Mapping[date, PartitionState], among: Collection[date]
) -> dict[date, str]:
    """What is to be remembered of the parts of the input that were read."""
    return {part: fingerprint([dimension.digest, parts[part].load_id]) for part in among}


def goal_of(
    catalog: Catalog,
    table: LayerTable,
    parts: Mapping[date, PartitionState],
    notes: Iterable[PartitionState],
    *,
    is_first: bool,
) -> Wanted:
    """What a run of a dimension has to read of its input, which has these `parts`; `notes` are what
    it has noted of them."""
    dimension = table.dimension
    assert dimension is not None  # noqa: S101 - asked of dimensions only
    path = table.inputs[HISTORY].asset
    return wanted(
        dimension,
        parts,
        {note.partition_key: note.load_id for note in notes},
        noted_loads(dimension, parts, parts),
        is_first=is_first,
        grows_only=catalog.publisher_of(path) != path,
    )


def wanted(
    dimension: Dimension,
    parts: Mapping[date, PartitionState],
    noted: Mapping[date, str],
    loads: Mapping[date, str],
    *,
    is_first: bool,
    grows_only: bool,
) -> Wanted:
    """What a run has to read; `noted` is what was read of each part, `loads` what there is now.

    An input that `grows_only` never loses a row, as the versions that a table keeps. Of any other
    one a part that changed may have lost keys that nobody can name any more, and of snapshots each
    one says what the next one lacks.
    """
    changed = frozenset(part for part, load in loads.items() if noted.get(part) != load)
    replaced = changed & noted.keys()
    rows = sum(parts[part].row_count for part in changed)
    most = rows * 2 > sum(state.row_count for state in parts.values())
    is_snapshots = isinstance(dimension.history, Snapshots)
    whole = is_first or most or is_snapshots or bool(replaced and not grows_only)
    return Wanted(parts, changed, whole=bool(changed) and whole)


def buckets(
    warehouse: Warehouse, table: LayerTable, upstream: LayerTable, wanted: Wanted, folder: Path
) -> Generator[Bucket, None, None]:
    """The changes and the published versions of the wanted keys, some whole keys at a time."""
    dimension = table.dimension
    assert dimension is not None  # noqa: S101 - asked of dimensions only
    changes, published = (
        _everything(warehouse, table, upstream, wanted, folder)
        if wanted.whole
        else _of_keys(warehouse, table, upstream, wanted, folder)
    )
    prepared = _prepared(table, dimension, changes)
    entity = list(dimension.entity)
    # The unknown member has no key, and is no version of any.
    known = published.filter(pl.col(dimension.sk) != 0)
    rows = prepared.select(pl.len()).collect().item() + known.select(pl.len()).collect().item()
    count = 1 + rows // BUCKET_ROWS
    if count == 1:
        yield Bucket(_collected(table, prepared), known.collect())
        return
    cut = [
        _cut(table, frame, entity, count, folder / name)
        for name, frame in (("changes", prepared), ("published", known))
    ]
    schemas = [prepared.collect_schema(), known.collect_schema()]
    for ours in zip(*cut, strict=True):
        yield Bucket(*(_read(files, s) for files, s in zip(ours, schemas, strict=True)))
        for files in ours:
            for path in files.files:
                path.unlink(missing_ok=True)


def _everything(
    warehouse: Warehouse, table: LayerTable, upstream: LayerTable, wanted: Wanted, folder: Path
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    days = sorted(wanted.parts)
    changes = warehouse.seen.read(upstream, [Window(days[0], days[-1])], folder / "in").frames[0]
    published = warehouse.read(table, [Window.of(WHOLE)], folder / "own").frames[0]
    return changes, published


def _of_keys(
    warehouse: Warehouse, table: LayerTable, upstream: LayerTable, wanted: Wanted, folder: Path
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    dimension = table.dimension
    assert dimension is not None  # noqa: S101 - asked of dimensions only
    theirs, ours = list(dimension.entity.values()), list(dimension.entity)
    windows = windows_of(wanted.changed)
    parts = warehouse.seen.read(upstream, windows, folder / "in").frames if windows else []
    gone = [] if wanted.gone is None else [wanted.gone.lazy()]
    named = pl.concat([frame.select(theirs) for frame in (*parts, *gone)])
    keys = named.unique().collect(engine="streaming")
    changes = warehouse.seen.lookup(
        keyed(upstream, theirs), spooled(folder / "keys", keys), folder / "found"
    )
    own = _prepared(table, dimension, changes).select(ours).unique().collect(engine="streaming")
    published = warehouse.lookup(
        keyed(table, ours), spooled(folder / "own_keys", own), folder / "own"
    )
    return changes, published


def _prepared(table: LayerTable, dimension: Dimension, changes: pl.LazyFrame) -> pl.LazyFrame:
    try:
        rows = dimension.prepare(changes)
        rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise failed(table, error) from None
    return rows


def failed(table: LayerTable, error: pl.exceptions.PolarsError) -> ContractMismatch:
    """The error of a `prepare` that does not run on the rows of the input."""
    about_names = (pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError)
    kind = type(error).__name__
    told = f"{kind}: {str(error).splitlines()[0]}" if isinstance(error, about_names) else kind
    return ContractMismatch(
        f"`prepare` of {table.path} failed: {told}.",
        f"Correct it in {table.declared_in}; nothing was published.",
    )


def _collected(table: LayerTable, rows: pl.LazyFrame) -> pl.DataFrame:
    try:
        return rows.collect()
    except pl.exceptions.PolarsError as error:
        raise failed(table, error) from None


def _cut(
    table: LayerTable, rows: pl.LazyFrame, by: list[str], count: int, folder: Path
) -> list[SpoolFiles]:
    """The rows in so many files' worth of buckets, all rows of a key in one."""
    cut = [SpoolFiles(folder / f"{number:05d}") for number in range(count)]
    pending: list[pl.DataFrame] = []

    def write() -> None:
        if not pending:
            return
        # The hash is only ever compared within this run.
        place = (pl.struct(by).hash(seed=7) % count).alias("__bucket")
        frame = pl.concat(pending).with_columns(place)
        pending.clear()
        for (number,), part in frame.partition_by("__bucket", as_dict=True).items():
            cut[int(number)].write(part.drop("__bucket"))
            cut[int(number)].close()

    try:
        for batch in rows.collect_batches(chunk_size=_BATCH_ROWS):
            pending.append(batch)
            if len(pending) == _ROUND:
                write()
    except pl.exceptions.PolarsError as error:
        raise failed(table, error) from None
    write()
    return cut


def _read(files: SpoolFiles, schema: pl.Schema) -> pl.DataFrame:
    if not files.files:
        return pl.DataFrame(schema=schema)
    return pl.concat([pl.read_parquet(path, glob=False) for path in files.files])
