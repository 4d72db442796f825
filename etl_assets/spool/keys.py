"""Keys that stand more than once in spooled rows: found exactly, in memory that is bounded.

The keys of so many rows as memory allows are compared at a time: those whose hashes have the same
remainder. Equal keys have equal hashes; where two hashes are equal, the keys themselves decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.frames import COUNT, DAY
from etl_assets.spool.disk import unreadable
from etl_assets.spool.files import SpoolFiles

AT_ONCE, BYTES_AT_ONCE = 2_000_000, 256 << 20
"""The keys of so many rows, or of so many bytes of spool, are compared at a time."""

_HASH = "__hash"


def duplicates(files: SpoolFiles, key: Sequence[str], most: int) -> tuple[int, pl.DataFrame]:
    """How many keys of closed files occur more than once, and up to `most` of them, as (key…,
    COUNT), the first in their order. Keys are compared with NULL equal to NULL."""
    names, number, sample = list(key), 0, pl.DataFrame()
    parts = max(-(-files.rows // AT_ONCE), -(-files.bytes // BYTES_AT_ONCE))
    for part in range(parts):
        repeated = _repeated(files.files, names, parts, part)
        if repeated is not None:
            number += repeated.height
            sample = pl.concat([sample, repeated] if sample.width else [repeated])
            sample = sample.sort(names).head(most)
    return number, sample


def _repeated(
    files: Sequence[Path], names: list[str], parts: int, part: int
) -> pl.DataFrame | None:
    """The keys of this part that occur more than once, None where there are none."""
    hashes = pl.concat(keys.select(_HASH) for keys in _hashed(files, names, parts, part))
    ordered = hashes.sort(_HASH)
    same = ordered.filter(pl.col(_HASH) == pl.col(_HASH).shift()).unique()
    if not same.height:
        return None
    keys = pl.concat(
        keys.join(same, on=_HASH, how="semi").select(names)
        for keys in _hashed(files, names, parts, part)
    )
    repeated = keys.group_by(names).len(COUNT).filter(pl.col(COUNT) > 1)
    return repeated if repeated.height else None


def _hashed(
    files: Sequence[Path], names: list[str], parts: int, part: int
) -> Iterator[pl.DataFrame]:
    """The keys of each file that are of this part, with their hashes."""
    for path in files:
        keys = pl.read_parquet(path, columns=names, glob=False)
        keys = keys.with_columns(_hash_of(names).alias(_HASH))
        yield keys.filter(pl.col(_HASH) % parts == part) if parts > 1 else keys


def _hash_of(names: list[str]) -> pl.Expr:
    return (pl.struct(names) if len(names) > 1 else pl.col(names[0])).hash()


def repeated_keys(
    files: Mapping[date, SpoolFiles],
    key: Sequence[str],
    *,
    schema: Mapping[str, pl.DataType],
    among: pl.DataFrame,
    repeated: bool,
) -> pl.DataFrame:
    """Rows of several days' files whose key is `among` those given, or that stand more than once.

    The latter only if `repeated` is asked for. Keys are compared with NULL equal to NULL. The
    columns are DAY (Date: the day whose file holds the row) and those of `schema`, of which
    `key` are some.
    """
    frames = [
        pl.scan_parquet(of_day.files, glob=False).select(pl.lit(day, pl.Date).alias(DAY), *schema)
        for day, of_day in files.items()
        if of_day.files
    ]
    if not frames or not (repeated or among.height):
        return pl.DataFrame(schema={DAY: pl.Date(), **schema})
    rows, names = pl.concat(frames), list(key)
    wanted = among.lazy().select(names)
    if repeated:
        twice = rows.group_by(names).len(COUNT).filter(pl.col(COUNT) > 1).select(names)
        wanted = pl.concat([wanted, twice]).unique()
    found = rows.join(wanted, on=names, how="semi", nulls_equal=True)
    try:
        return found.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError):
        pass
    raise unreadable(next(iter(files.values())).folder)
