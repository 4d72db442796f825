"""`files propose` where there is nothing to propose, or no file tells what its format is."""

import gzip
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import EtlError
from etl_assets.sources.files.propose.place import proposed
from etl_assets_tests.files.proposing import (
    csv_file,
    written,
)
from etl_assets_tests.s3_server import S3Server


def wrong(folder: Path, *arguments: str) -> str:
    with pytest.raises(EtlError) as error:
        proposed(ObjectStoreSettings(), str(folder), None, *arguments)
    return str(error.value)


Write = Callable[[str, bytes], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda name, content: (tmp_path / name).write_bytes(content) and None


def test_what_cannot_be_looked_at_says_what_to_do(tmp_path: Path, write: Write) -> None:
    assert "has no object. Name a bucket's prefix or a folder" in wrong(tmp_path)
    assert "/nowhere" in wrong(tmp_path / "nowhere")
    write("empty.csv", b"")
    assert "one object, which is empty or hidden" in wrong(tmp_path)
    write("a.xlsx", b"PK\x03\x04 whatever")
    assert "The format of 'a.xlsx' is not known" in wrong(tmp_path)
    assert "is a file" in wrong(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"A title\nid,name\n1,x\n2,y\n3,z\n", "a line above the header"),
        ("a.csv", b"id,id\n1,2\n3,4\n", "the name 'id' at columns 1 and 2"),
        ("a.csv", b"\n\n\n", "has no record"),
        ("a.csv", random.Random(7).randbytes(5_000), "is no text that can be read"),
        (
            "a.csv",
            ("id,name\n" + "1,x\n" * 50).encode("utf-16-le"),
            "the mark of UTF-16 is not at its",
        ),
        ("a.json", b'[\n{"a": 1}\n]'.replace(b'{"a": 1}', b'"x"'), "is no JSON Lines"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("a.csv.gz", b"no gzip at all", "cannot be expanded"),
    ],
)
def test_files_that_cannot_be_loaded_are_told(
    name: str, content: bytes, says: str, tmp_path: Path, write: Write
) -> None:
    write(name, content)
    assert says in wrong(tmp_path)


def test_formats_that_no_suffix_tells_are_seen_or_said(tmp_path: Path, write: Write) -> None:
    write("2024-05-17", b'{"a": 1}\n')
    settings = ObjectStoreSettings()
    assert "JsonLines()" in written(proposed(settings, str(tmp_path)))
    assert "Csv(" in written(proposed(settings, str(tmp_path), None, "csv"))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("orders_2024-05-17.csv", "orders"),
        ("2024-05-17.csv", "drop"),
        ("Price Lists/2024/05/17/a.csv", "price_lists"),
        ("x/2024-05-17/1.csv", "x"),
        ("7/1.csv", "files_7"),
    ],
)
def test_the_table_is_called_by_what_its_keys_begin_with(
    key: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "drop" / key
    path.parent.mkdir(parents=True)
    path.write_bytes(csv_file([["id"], ["1"]]))
    assert proposed(ObjectStoreSettings(), str(tmp_path / "drop")).name == name
    assert proposed(ObjectStoreSettings(), str(tmp_path / "drop"), "My Table").name == "my_table"


def test_a_bucket_is_looked_at_and_the_setting_is_not_written_again(s3: S3Server) -> None:
    bucket = s3.bucket()
    content = csv_file([["id", "v"], ["1", "x"]])
    for day in (17, 18):
        s3.put(bucket, f"drop/shipments/2024-05-{day}.csv", content)
    settings = s3.settings(bucket, "drop")
    inside = proposed(settings, f"s3://{bucket}/drop/shipments/*.csv")
    assert (inside.name, inside.location) == ("shipments", "")
    assert inside.pattern == "shipments/{day:%Y-%m-%d}.csv"
    beside = proposed(settings.model_copy(update={"url": None}), f"s3://{bucket}/drop")
    assert (beside.location, beside.name) == (f"s3://{bucket}/drop", "shipments")
    assert f'location="s3://{bucket}/drop"' in written(beside)
    with pytest.raises(EtlError, match="has no object"):
        proposed(settings, f"s3://{bucket}/elsewhere")


def test_a_file_that_is_cut_is_passed_over_and_told_of(tmp_path: Path, write: Write) -> None:
    rows = [["id", "name"], ["1", "a"], ["2", "b"]]
    cut = gzip.compress(csv_file(rows))[:20]
    write("2024-01-01.csv", csv_file(rows))
    write("2024-01-02.csv.gz", cut)
    found = proposed(ObjectStoreSettings(), str(tmp_path), None)
    told = " ".join(found.proposal.notes)
    assert "'2024-01-02.csv.gz'" in told
    assert "It was not looked at." in told


def test_a_file_that_gained_a_column_has_no_line_above_its_header(
    tmp_path: Path, write: Write
) -> None:
    rows = [["id", "name"], ["1", "a"], ["2", "b"], ["3", "c"]]
    write("2024-01-01.csv", csv_file(rows))
    write("2024-01-02.csv", csv_file([["id", "name", "extra"], ["4", "d", "x"]]))
    found = proposed(ObjectStoreSettings(), str(tmp_path), None)
    assert "cannot be loaded" not in " ".join(found.proposal.notes)
    assert "extra" in str(found.proposal.sampled)


def test_files_that_the_pattern_does_not_describe_are_another_tables(
    tmp_path: Path, write: Write
) -> None:
    write("2024-01-01.csv", csv_file([["id", "name"], ["1", "a"]]))
    write("2024-01-02.csv", csv_file([["id", "name"], ["2", "b"]]))
    write("2024-01-03.csv.gz", gzip.compress(csv_file([["id", "amount"], ["3", "7"]])))
    write("returns-2024-01-04.csv", csv_file([["id", "name"], ["4", "d"]]))
    found = proposed(ObjectStoreSettings(), f"{tmp_path}/2024*.csv")
    assert found.pattern == "{day:%Y-%m-%d}.csv"
    assert found.proposal.read == ["2024-01-02.csv", "2024-01-01.csv"]
    assert not [note for note in found.proposal.notes if "suffix" in note or "gz" in note]


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("*.csv", "*.csv"),  # no key says a day: as it was typed, for the files to come
        ("rates_{day:%d%m%Y}*.csv", "rates_{day:%d%m%Y}*.csv"),
        ("**.csv", "**.csv"),
    ],
)
def test_a_pattern_that_knows_better_than_the_keys_is_kept(
    typed: str, pattern: str, tmp_path: Path, write: Write
) -> None:
    write("rates_03042024_x.csv", csv_file([["id"], ["1"]]))
    found = proposed(ObjectStoreSettings(), f"{tmp_path}/{typed}")
    assert found.pattern == pattern
    assert "made of one key" not in " ".join(found.proposal.notes)


def test_a_star_goes_through_folders_where_nothing_is_in_the_folder_itself(
    tmp_path: Path, write: Write
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(f"{name}/x.csv", csv_file([["id"], ["1"]]))
    write("x.json", b"{}")
    assert proposed(ObjectStoreSettings(), f"{tmp_path}/*.csv").pattern == "**.csv"
    write("own.csv", csv_file([["id"], ["1"]]))
    assert proposed(ObjectStoreSettings(), f"{tmp_path}/*.csv").pattern == "*.csv"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("*.parquet", "1 object and none that '*.parquet' describes; one is 'a/2024-01-01.csv'."),
        ("?.csv", "has a ?, which stands for itself in keys"),
        ("{day:%Y}.csv", "has neither a whole date nor a time alone"),
    ],
)
def test_a_pattern_that_describes_nothing_is_refused(
    typed: str, told: str, tmp_path: Path, write: Write
) -> None:
    (tmp_path / "a").mkdir()
    write("a/2024-01-01.csv", csv_file([["id"], ["1"]]))
    with pytest.raises(EtlError, match=re.escape(told)):
        proposed(ObjectStoreSettings(), f"{tmp_path}/{typed}")
