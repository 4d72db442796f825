"""The spool: files of bounded chunks, exact duplicate counts, folders that go away."""

import errno
import fcntl
import math
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl_assets.core.errors import DiskFull
from etl_assets.spool import SpoolFiles, disk_errors, duplicates, files, keys, run_spool


def spooled(folder: Path, *frames: pl.DataFrame) -> SpoolFiles:
    made = SpoolFiles(folder)
    for frame in frames:
        made.write(frame)
        made.close()
    return made


def keyed(*pairs: tuple[int | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        pairs, schema={"id": pl.Int64, 'odd "name"': pl.String}, orient="row"
    ).with_columns(v=pl.lit("v"))


KEY = ("id", 'odd "name"')
DUPLICATES = [(1, "a"), (2, "a"), (2, "a"), (1, "b"), (3, None), (3, None), (2, "a"), (None, None)]


@pytest.mark.parametrize("pieces", [1, 3], ids=["one file", "three files"])
def test_keys_that_occur_more_than_once_are_counted_exactly(tmp_path: Path, pieces: int) -> None:
    size = -(-len(DUPLICATES) // pieces)
    frames = [keyed(*DUPLICATES[at : at + size]) for at in range(0, len(DUPLICATES), size)]
    made = spooled(tmp_path, *frames)
    assert (len(made.files), made.rows) == (pieces, len(DUPLICATES))
    number, sample = duplicates(made, KEY, 5)
    assert number == 2
    assert sorted(sample.rows()) == [(2, "a", 3), (3, None, 2)]
    number, sample = duplicates(made, KEY, 1)
    assert (number, sample.height) == (2, 1)


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_without_duplicates_there_are_none(tmp_path: Path, pieces: int) -> None:
    made = spooled(tmp_path, *(keyed((n, "a"), (n, "b")) for n in range(pieces)))
    number, sample = duplicates(made, KEY, 5)
    assert (number, sample.height) == (0, 0)


@pytest.mark.parametrize("last", [(4, "b"), (4, "a"), (3, "z"), (1, "a"), (None, "a"), (5, None)])
def test_keys_in_order_are_as_unique_as_they_are_counted(
    tmp_path: Path, last: tuple[int | None, str | None]
) -> None:
    made = spooled(tmp_path, keyed((1, "a"), (1, "b"), (2, "a")), keyed((4, "a")), keyed(last))
    number, sample = duplicates(made, KEY, 5)
    repeated = [(*last, 2)] if last in {(4, "a"), (1, "a")} else []
    assert (number, sample.rows()) == (len(repeated), repeated)


VALUES: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.Int64(): st.integers(-2, 2),
    pl.String(): st.sampled_from(["", "a", "A", "\x00", "ä"]),
    pl.Float64(): st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf]),
    pl.Binary(): st.sampled_from([b"", b"\x00", b"a"]),
    pl.Boolean(): st.booleans(),
    pl.List(pl.Int64): st.lists(st.none() | st.integers(0, 1), max_size=2),
}


@given(data=st.data())
def test_repeated_keys_are_those_that_a_count_of_each_key_finds(data: st.DataObject) -> None:
    """In parts of any size, and also where different keys have one hash."""
    dtypes = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3))
    row = st.tuples(*(st.none() | VALUES[dtype] for dtype in dtypes))
    chunks = data.draw(st.lists(st.lists(row, min_size=1, max_size=8), max_size=4))
    schema = {f"k {number}": dtype for number, dtype in enumerate(dtypes)}
    frames = [pl.DataFrame(chunk, schema, orient="row") for chunk in chunks]
    few_hashes = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(keys, "AT_ONCE", data.draw(st.integers(1, 20)))
        if few_hashes:
            real = keys._hash_of
            patch.setattr(keys, "_hash_of", lambda names: real(names) % 3)
        made = spooled(Path(folder), *frames)
        number, sample = duplicates(made, list(schema), 2)
    rows = pl.concat([pl.DataFrame(schema=schema), *frames])
    counted = rows.group_by(list(schema)).len("__count").filter(pl.col("__count") > 1)
    assert number == counted.height
    if number:
        assert_frame_equal(sample, counted.sort(list(schema)).head(2))
    else:
        assert not sample.height


ROUND = {
    "short": pl.Series([1, None, -3], dtype=pl.Int16),
    "single": pl.Series([1.5, None, math.nan], dtype=pl.Float32),
    "time": pl.Series([time(1, 2, 3, 4), None, time.max], dtype=pl.Time),
    "naive": pl.Series([datetime.min, None, datetime.max], dtype=pl.Datetime("us")),
    "day": pl.Series([date.min, None, date.max], dtype=pl.Date),
    "exact": pl.Series([Decimal("1.10"), None, -(Decimal(10) ** 34)], dtype=pl.Decimal(38, 3)),
    "bytes": pl.Series([b"\x00", None, b""], dtype=pl.Binary),
    "truth": pl.Series([True, None, False]),
    "list": pl.Series([[1, None], None, []], dtype=pl.List(pl.Int64)),
    "lists": pl.Series([[["a"], None, []], None, []], dtype=pl.List(pl.List(pl.String))),
    "times": pl.Series([[time(1)], None, []], dtype=pl.List(pl.Time)),
    'odd "text"': pl.Series(["", "\x00ä" * 20, None]),
    "struct": pl.Series(
        [{"a": 1, "b": time(1)}, None, {"a": None, "b": None}],
        dtype=pl.Struct({"a": pl.Int64, "b": pl.Time}),
    ),
}


@pytest.mark.parametrize("width", [1, 10_000])
def test_rows_come_back_as_they_were_spooled(tmp_path: Path, width: int) -> None:
    zoned = pl.col("naive").dt.replace_time_zone("UTC").alias("zoned")
    frame = pl.DataFrame(ROUND).with_columns(zoned, wide=pl.lit("x" * width))
    made = spooled(tmp_path, frame)
    assert_frame_equal(pl.read_parquet(made.files, glob=False), frame)
    assert_frame_equal(pl.scan_parquet(made.files, glob=False).collect(), frame)


INTEGERS = {
    **{f"int{bits}": (getattr(pl, f"Int{bits}"), bits, True) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (getattr(pl, f"UInt{bits}"), bits, False) for bits in (8, 16, 32, 64)},
    "day": (pl.Date, 22, True),
    "moment": (pl.Datetime("us"), 62, True),
    "lasting": (pl.Duration("us"), 62, True),
}


@pytest.mark.thorough_but("int64", "day", "lasting")
@pytest.mark.parametrize("name", INTEGERS)
@given(data=st.data())
def test_whole_numbers_and_moments_of_any_size_come_back_in_polars_and_duckdb(
    name: str, data: st.DataObject
) -> None:
    """They are written as differences, which pass the bounds of the type."""
    dtype, bits, is_signed = INTEGERS[name]
    bounds = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    numbers = st.sampled_from(bounds) | st.integers(*bounds) | st.none()
    drawn = data.draw(st.lists(numbers, min_size=1, max_size=300))
    raw = dtype if dtype.is_integer() else pl.Int32 if dtype == pl.Date else pl.Int64
    frame = pl.DataFrame({"n": pl.Series(drawn, dtype=raw).cast(dtype)})
    with TemporaryDirectory() as folder:
        made = spooled(Path(folder), frame)
        assert_frame_equal(pl.read_parquet(made.files, glob=False), frame)
        read = duckdb.read_parquet(str(made.files[0])).pl()
    assert_frame_equal(read, frame.select(pl.col("n").cast(read["n"].dtype)))


def test_lists_that_are_all_empty_come_back_where_their_rows_were_cut_from_others(
    tmp_path: Path,
) -> None:
    """Polars then has a view of no texts at a place behind the end, which Arrow refuses."""
    whole = pl.DataFrame({"id": [1, 2, 3], "words": [["b", "a"], [], []]})
    frame = whole.filter(pl.col("id") > 1).with_columns(pl.col("words").list.sort())
    assert_frame_equal(pl.read_parquet(spooled(tmp_path, frame).files), frame)


def test_a_folder_with_brackets_in_its_name_is_read_as_it_is_named(tmp_path: Path) -> None:
    for pieces in (1, 2):
        made = spooled(tmp_path / f"[{pieces}] x", *[keyed((1, "a"), (1, "a"))] * pieces)
        assert duplicates(made, KEY, 5)[0] == 1


def test_chunks_become_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 10)
    made = SpoolFiles(tmp_path)
    for n in range(0, 25, 5):
        made.write(pl.DataFrame({"id": range(n, n + 5)}))
    made.write(pl.DataFrame({"id": []}, schema={"id": pl.Int64}))
    assert made.rows == 20, "the rest is pending"
    made.close()
    assert [pl.read_parquet(path).height for path in made.files] == [10, 10, 5]
    assert (made.rows, made.bytes) == (25, sum(path.stat().st_size for path in made.files))
    made.close()
    assert len(made.files) == 3


def test_a_runs_folder_goes_away_whatever_happened(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), run_spool(tmp_path, "run", "step") as folder:
        (folder / "file").touch()
        raise ZeroDivisionError
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_runs_folder_stays_while_another_of_its_steps_works(tmp_path: Path) -> None:
    with run_spool(tmp_path, "run", "one") as one:
        with run_spool(tmp_path, "run", "two"):
            pass
        assert one.exists()
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("held", [True, False])
def test_folders_of_dead_runs_are_swept_and_others_are_not(tmp_path: Path, held: bool) -> None:
    other, lock = tmp_path / "spool" / "other" / "step", tmp_path / "spool" / "other.lock"
    other.mkdir(parents=True)
    with lock.open("w") as handle:
        if held:  # as a living run does; the system drops the lock of a killed one
            fcntl.flock(handle, fcntl.LOCK_SH)
        with run_spool(tmp_path, "run", "step"):
            assert (other.exists(), lock.exists()) == (held, held)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        OSError(errno.EFBIG, "x"),
        pl.exceptions.ComputeError("No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_as_one(tmp_path: Path, error: Exception) -> None:
    told = pytest.raises(DiskFull, match=r"No space is left.*nothing was published")
    with told, disk_errors(tmp_path):
        raise error


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "x")
