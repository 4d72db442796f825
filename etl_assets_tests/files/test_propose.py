"""`files propose`: the printed module loads its sample, and every value is kept or set aside."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.file_formats import Csv
from etl_assets.core.source_specs import Files
from etl_assets.sources.files.declared import columns_of_files
from etl_assets.sources.files.propose.place import proposed
from etl_assets_tests.amounts import cases
from etl_assets_tests.files.proposal_samples import MOMENT, SAMPLES
from etl_assets_tests.files.proposing import (
    Proposed,
    Texted,
    csv_file,
    is_kept,
    propose,
    spec_of,
    written,
)
from etl_assets_tests.files.reading import read

KEY = "shipments/2024/05/17/a.csv"


@pytest.mark.parametrize("what", SAMPLES)
def test_f12_f13_f14_the_module_loads_its_sample_and_keeps_every_value(
    what: str, tmp_path: Path
) -> None:
    sample = SAMPLES[what]
    write = dict(sample.write)
    content = csv_file(sample.rows, write.pop("encoding", "utf-8"), **write)
    found = propose(tmp_path, {KEY: content})
    assert found.dtypes == sample.dtypes
    source = found.table.source
    assert isinstance(source, Files)
    assert source.pattern == "shipments/{day:%Y/%m/%d}/a.csv"
    assert source.format == Csv(**sample.dialect)
    for text in sample.says:
        assert text in " ".join(found.module.replace("#", "").split())
    for name, texts in sample.texts.items():
        assert found.column(name).text == texts
    if len(sample.rows) > 1:
        assert {c for c in found.dtypes if found.column(c).nullable} == set(sample.nullable)
    keeps_all(found, sample.rows, has_header=source.format.header)


def keeps_all(found: Proposed, rows: Texted, *, has_header: bool = True) -> None:
    """Every value of a file is published exactly, or its line is in quarantine."""
    source = found.table.source
    assert isinstance(source, Files)
    records = by_line(rows)
    if has_header:
        del records[1]
    assert found.errors == []
    assert found.read == len(records) == len(found.rows) + found.quarantined
    for row in found.rows:
        texts = records[row[source.line_column]]
        for (name, _), text in zip(found.dtypes.items(), texts, strict=True):
            assert is_kept(row[name], text, found.column(name)), (name, text, row[name])


def by_line(rows: Texted) -> dict[int, Sequence[str]]:
    """The rows by the line on which they begin: a field of several lines moves what follows."""
    records, line = {}, 1
    for row in rows:
        records[line] = row
        line += 1 + sum(field.count("\n") for field in row)
    return records


FIELD = st.one_of(
    st.sampled_from(
        [
            *("", "0", "-0", "007", "+5", "1,5", "1.5", "1.500", "1.234,5", "1e5", "NA", "NaN"),
            *("true", "Y", "2024-05-17", "17.05.2024", "01/02/2024", "2024-02-30", "10:00"),
            *("2024-05-17T10:00:00Z", "2024-05-17 10:00:00", " 5", "x", "9" * 30, "1.", ".5"),
            *("'", "#", "€", "-", "1'000.5", "20240517", "17-MAY-2024", "0x1F", "1_000", "\u0665"),
            *("null", "24:00", "1 000"),
        ]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.dates().map(lambda d: d.strftime("%d/%m/%Y")),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8),
)


@pytest.mark.random
@settings(max_examples=cases(30, 100), deadline=None)
@given(
    columns=st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=2, max_size=5),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([0, 1]),
)
def test_f13_whatever_a_file_holds_nothing_of_it_is_changed_in_silence(
    columns: list[list[str]],
    delimiter: str,
    quoting: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names = [f"name_{letter}" for letter in "abcde"[: len(columns)]]
    rows = [names, *map(list, zip(*columns, strict=True))]
    content = csv_file(rows, delimiter=delimiter, quoting=quoting)
    folder = tmp_path_factory.mktemp("proposed")
    (folder / "a.csv").write_bytes(content)
    table = spec_of(written(proposed(ObjectStoreSettings(), str(folder)))).layer_tables()[0]
    assert isinstance(table.source, Files)
    declared = columns_of_files(table)
    assert [column.name for column in declared] == names
    found = read(content, declared, table.source.format)
    records = by_line(rows)
    assert found.frame.height + len(found.bad) == len(rows) - 1
    for *values, line in found.frame.rows():
        for value, text, column in zip(values, records[line], declared, strict=True):
            assert is_kept(value, text, column), (column, text, value)


KEYS: dict[str, tuple[list[str], str]] = {
    "folders": (["s/2024/05/17/a.csv", "s/2024/05/18/b.csv"], "s/{day:%Y/%m/%d}/*.csv"),
    "names": (["s_2024-05-17.csv", "s_2024-05-18.csv"], "s_{day:%Y-%m-%d}.csv"),
    "compact": (["x/s20240517.csv.gz", "x/s20240518.csv.gz"], "x/s{day:%Y%m%d}.csv.gz"),
    "packed or not": (["s/2024-05-17/a.csv", "s/2024-05-18/a.csv.gz"], "s/{day:%Y-%m-%d}/a.csv*"),
    "Hive": (
        ["s/year=2024/month=05/day=17/p-0001.csv", "s/year=2024/month=05/day=18/p-0002.csv"],
        "s/{day:year=%Y/month=%m/day=%d}/p-*.csv",
    ),
    "German": (["17.05.2024_s.csv", "18.05.2024_s.csv"], "{day:%d.%m.%Y}_s.csv"),
    "no day": (["a/s1.csv", "a/s2.csv"], "a/*.csv"),
    "depths": (["a/x/1.csv", "a/y/z/2.csv"], "a/**.csv"),
    "the day twice": (
        ["2024/05/17/s_20240517_1.csv", "2024/05/18/s_20240518_2.csv"],
        "{day:%Y/%m/%d}/s_*.csv",
    ),
    "signs": (["a{b}/2024-05-17*.csv", "a{b}/2024-05-18*.csv"], "a*b*/{day:%Y-%m-%d}*.csv"),
    "one": (["s/2024-05-17/part-00001.csv"], "s/{day:%Y-%m-%d}/part-*.csv"),
}


@pytest.mark.parametrize("what", KEYS)
def test_the_pattern_of_the_keys_finds_every_one_of_them(what: str, tmp_path: Path) -> None:
    keys, pattern = KEYS[what]
    content = csv_file([["id", "v"], ["1", "x"], ["2", "y"]])
    files = {k: gzip.compress(content) if k.endswith(".gz") else content for k in keys}
    found = propose(tmp_path, files)
    assert isinstance(found.table.source, Files)
    assert found.table.source.pattern == pattern
    assert found.table.has_days == ("{day" in pattern)
    assert len(found.rows) == 2 * len(keys)


def test_a_day_that_may_be_written_the_other_way_round_is_told(tmp_path: Path) -> None:
    content = csv_file([["id"], ["1"]])
    found = propose(tmp_path, {"03-04-2024.csv": content, "05-04-2024.csv": content})
    assert "may be %d-%m-%Y or %m-%d-%Y" in " ".join(found.module.replace("#", "").split())


def test_a_column_that_looks_like_a_key_and_is_unique_is_the_key(tmp_path: Path) -> None:
    rows = [["order_id", "v"], *([str(n), "x"] for n in range(20))]
    found = propose(tmp_path, {KEY: csv_file(rows)})
    assert found.table.key == ("order_id", "day")
    assert "came once each in the 20 rows" in found.module
    twice = propose(tmp_path / "twice", {KEY: csv_file([*rows, ["0", "x"]])})
    assert twice.table.key == ("file", "line")


def test_files_of_another_table_are_told_and_do_not_mix(tmp_path: Path) -> None:
    orders, other = csv_file([["id", "v"], ["1", "x"]]), csv_file([["sku", "price"], ["a", "2"]])
    days = ("2024-05-17", "2024-05-18", "2024-05-19")
    files = {f"{day}/orders.csv": orders for day in days} | {"2024-05-17/prices.csv": other}
    found = propose(tmp_path, {**files, "2024-05-17/_SUCCESS": b"x", "readme.md": b"x\n"})
    assert found.dtypes == {"id": "Int64", "v": "String"}
    assert isinstance(found.table.source, Files)
    assert found.table.source.pattern == "{day:%Y-%m-%d}/orders.csv"
    told = " ".join(found.module.replace("#", "").split())
    assert "prices.csv" in told
    assert "1 of 5 objects has another suffix" in told


def test_columns_that_some_files_do_not_have_may_be_missing(tmp_path: Path) -> None:
    files = {
        "2024-05-17/a.csv": csv_file([["id", "v"], ["1", "x"]]),
        "2024-05-18/a.csv": csv_file([["v", "id", "more"], ["y", "2", "7"]]),
    }
    found = propose(tmp_path, files)
    assert sorted(row["id"] for row in found.rows) == [1, 2]
    assert {row["id"]: row["more"] for row in found.rows} == {1: None, 2: 7}
    assert 'missing="null"' in found.module


def test_columns_that_no_contract_declares_are_kept_beside_the_others(tmp_path: Path) -> None:
    rows = [["id", "", "ID", "_source"], ["1", "x", "y", "z"]]
    found = propose(tmp_path, {KEY: csv_file(rows)})
    (row,) = found.rows
    assert json.loads(row["other_columns"]) == {"": "x", "ID": "y", "_source": "z"}
    assert "drift=Drift.EVOLVE" in found.module


@pytest.mark.thorough
def test_zstd_and_a_sample_that_ends_in_a_line(tmp_path: Path) -> None:
    many = csv_file([["id", "v"], *([str(n), "x" * 90] for n in range(60_000))])
    assert len(many) > 4 << 20
    found = propose(tmp_path, {KEY + ".zst": zstandard.compress(many)})
    assert len(found.rows) == 60_000
    assert "1 object with 4" in found.module


JSON_ROWS = [
    '{"id": 1, "price": 1.10, "at": "2024-05-17T10:00:00Z", "code": "007", "tags": ["a"], '
    '"ok": true}',
    '{"id": 2, "price": 2, "at": "2024-05-17T11:00:00Z", "code": "12", "tags": null, "ok": false}',
    '{"id": 3, "price": 12345678901234567.25, "at": "2024-05-17T12:00:00+02:00", "code": "x", '
    '"big": 12345678901234567890123, "exp": 1e400, "mixed": "a", "ok": true}',
    '{"id": 4, "price": 0.5, "at": "2024-05-17T12:00:00Z", "code": "", "mixed": 1.50, "ok": true}',
    "no object",
]


def test_f13_json_lines_keep_every_digit(tmp_path: Path) -> None:
    content = ("\n".join(JSON_ROWS) + "\n").encode()
    found = propose(tmp_path, {"s/2024-05-17.jsonl": content})
    assert found.dtypes == {
        "id": "Int64",
        "price": "Decimal(precision=38, scale=2)",
        "at": MOMENT,
        "code": "String",
        "tags": "String",
        "ok": "Boolean",
        "big": "Decimal(precision=38, scale=0)",
        "exp": "String",
        "mixed": "String",
    }
    assert (found.read, found.quarantined) == (5, 1)
    rows = {row["id"]: row for row in found.rows}
    assert [rows[n]["price"] for n in (1, 3)] == [Decimal("1.10"), Decimal("12345678901234567.25")]
    assert rows[3]["big"] == 12345678901234567890123
    assert (rows[3]["exp"], rows[3]["mixed"], rows[4]["mixed"]) == ("1e400", '"a"', "1.50")
    assert (rows[1]["tags"], rows[2]["tags"], rows[1]["code"]) == ('["a"]', None, "007")
    assert rows[3]["at"] == datetime(2024, 5, 17, 10, tzinfo=UTC)


def test_f16_parquet_has_the_dtypes_that_hold_it(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "u64": pa.array([2**64 - 1, 0], pa.uint64()),
            "f": pa.array([1.5, 2.5], pa.float32()),
            "d": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "took": pa.array([1, None], pa.duration("us")),
            "ns": pa.array([1_000, 1_001], pa.timestamp("ns")),
            "tz": pa.array([0, 1], pa.timestamp("ms", "Europe/Berlin")),
            "day": pa.array([date(2024, 5, 17), None]),
            "cat": pa.array(["a", "b"]).dictionary_encode(),
            "list": pa.array([[1, 2], [3]], pa.list_(pa.int32())),
            "struct": pa.array([{"a": 1, "b c": "x"}, None]),
            "raw": pa.array([b"\x00\xff", None], pa.binary()),
            "none": pa.nulls(2),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    found = propose(tmp_path, {"s/dt=2024-05-17/p.parquet": file.getvalue()})
    assert isinstance(found.table.source, Files)
    assert found.table.source.pattern == "s/dt={day:%Y-%m-%d}/p.parquet"
    assert (found.read, found.quarantined) == (2, 1)  # a nanosecond is no microsecond
    (row,) = found.rows
    assert (row["i8"], row["u64"], row["f"], row["d"]) == (1, 2**64 - 1, 1.5, Decimal("1.50"))
    assert row["ns"] == datetime(1970, 1, 1, 0, 0, 0, 1)
    assert row["tz"] == datetime(1970, 1, 1, tzinfo=UTC)
    assert (row["day"], row["cat"], row["list"]) == (date(2024, 5, 17), "a", [1, 2])
    assert (row["struct"], row["raw"], row["none"]) == ({"a": 1, "b c": "x"}, b"\x00\xff", None)
    assert json.loads(row["other_columns"]) == {"took": 1}


def test_a_parquet_column_that_cannot_be_loaded_at_all_is_told(tmp_path: Path) -> None:
    table = pa.table({"id": [1], "wide": pa.array([Decimal("1.50")], pa.decimal256(60, 2))})
    file = io.BytesIO()
    pq.write_table(table, file)
    found = propose(tmp_path, {"2024-05-17.parquet": file.getvalue()})
    assert found.dtypes == {"id": "Int64"}
    assert '"wide" of the files is not declared' in found.module
    assert (len(found.rows), found.table.overflow_column) == (1, None)


def test_the_module_counts_one_thing_as_one_and_shows_no_value(tmp_path: Path) -> None:
    rows = [["who", "n"], ["Ann", "1"]]
    found = propose(tmp_path, {KEY: csv_file(rows)})
    assert "1 object with 1 row was read, the pattern is made of 1 key." in found.module
    rows += [[f"name{n}", str(n)] for n in range(5)] + [["x", "Zoë Müller, 3rd"], ["y", "n-1"]]
    found = propose(tmp_path / "mixed", {KEY: csv_file(rows)})
    told = " ".join(found.module.replace("#", "").split())
    assert "2 of 7 different values are no integers, and look like 'aaa aaaaaa, 9aa', " in told
    assert "Müller" not in found.module
