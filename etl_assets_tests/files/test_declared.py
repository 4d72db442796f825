"""What a table of files declares: patterns of keys, and specs that cannot be."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from etl_assets.core.completeness import Marker
from etl_assets.core.errors import SpecError
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.policies import Deletes
from etl_assets_tests.files.shipments import SOURCE, SPEC, RawShipments

KEYS = {
    ("shipments/{day:%Y/%m/%d}/*.csv.gz", "shipments/2024/05/17/a b.csv.gz"): date(2024, 5, 17),
    ("shipments/{day:%Y/%m/%d}/*.csv.gz", "shipments/2024/05/17/x/a.csv.gz"): None,
    ("shipments/{day:%Y/%m/%d}/*.csv.gz", "shipments/2024/02/30/a.csv.gz"): None,
    ("shipments/{day:%Y/%m/%d}/*.csv.gz", "more/shipments/2024/05/17/a.csv.gz"): None,
    ("{day:%Y%m%d}_**", "20240517_a/b\nc"): date(2024, 5, 17),
    ("**/{day:%Y-%m-%d}.parquet", "a/b/2024-05-17.parquet"): date(2024, 5, 17),
    ("a.b/{day:%Y-%j}", "axb/2024-138"): None,
    ("a.b/{day:%Y-%j}", "a.b/2024-138"): date(2024, 5, 17),
    ("log/{day:%d.%m.%Y}.csv", "log/17.05.2024.csv"): date(2024, 5, 17),
}


@pytest.mark.parametrize(("pattern", "key"), KEYS)
def test_the_day_of_a_key_is_where_the_pattern_has_it(pattern: str, key: str) -> None:
    assert KeyPattern(pattern).day_of(key) == KEYS[pattern, key]


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("a/b/{day:%Y}*", None), ("a/b{day:%Y-%m-%d}", "a/"), ("a/b/*", "a/b/"), ("*", ""), ("x", "")],
)
def test_only_what_begins_as_all_keys_do_is_listed(pattern: str, prefix: str | None) -> None:
    if prefix is None:
        with pytest.raises(ValueError, match="neither a whole date"):
            KeyPattern(pattern)
    else:
        assert KeyPattern(pattern).prefix == prefix


@pytest.mark.parametrize(
    ("pattern", "folders"),
    [
        ("in/{day:%Y/%m/%d}/*.csv", ["in/2024/11/07/", "in/2024/11/7/"]),
        ("{day:%Y-%j}/**", ["2024-312/"]),
        ("in/dt={day:%d.%m.%Y}/a/*", ["in/dt=07.11.2024/", "in/dt=7.11.2024/"]),
        ("in/{day:%Y-%m-%d}-*.csv", []),
        ("in/{day:%Y-%m-%d}", []),
        ("*/{day:%Y-%m-%d}/x", []),
        ("in/{day:%d-%b-%Y}/x", []),
        ("in/all.csv", []),
    ],
)
def test_a_day_has_folders_of_its_own_where_only_its_keys_are_below_them(
    pattern: str, folders: list[str]
) -> None:
    assert KeyPattern(pattern).folders_of(date(2024, 11, 7)) == tuple(folders)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("a{b", "part of no"),
        ("/a", "no slash in front"),
        ("", "no name"),
        ("{day:%Y-%m-%d}{day:%Y-%m-%d}", "twice"),
        ("{day:%y-%m-%d}", "needs year, month and day"),
        ("{day:%Y-%q}", "%q"),
    ],
)
def test_a_pattern_that_cannot_be_says_what_to_write(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(SOURCE, pattern=pattern)


class ByNumber(RawShipments):
    """The same lines, known by the partner's number alone."""

    class Config:
        """The key."""

        unique = ("shipment_id",)


ARRIVED = replace(SOURCE, pattern="shipments/**.csv*", day_from="arrival")
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a cursor": ({"cursor_column": "delivered_on"}, "files have no cursor"),
    "no day": ({"source": replace(SOURCE, pattern="shipments/*.csv")}, "does not say which day"),
    "no column": ({"source": replace(SOURCE, file_column="name")}, "file_column: .*no column"),
    "a dtype": ({"source": replace(SOURCE, line_column="carrier")}, "is String.*pl.Int64"),
    "tombstones": ({"deletes": Deletes.TOMBSTONE}, "Deletes.REMOVE or Deletes.KEEP"),
    "a text for a compression": (
        {"source": replace(SOURCE, compression="gzip")},  # type: ignore[arg-type]
        "compression: 'gzip' is a str.*Compression.GZIP",
    ),
    "a key for all days": ({"raw": ByNumber}, "says neither the day nor the file"),
    "a marker for all": (
        {"source": replace(SOURCE, complete=Marker("_SUCCESS")), "partition_column": None},
        "has no marker for each day",
    ),
    "a day from nowhere": ({"source": replace(SOURCE, day_from="mtime")}, "day_from is 'mtime'"),
    "a day twice": ({"source": replace(SOURCE, day_from="arrival")}, "says a day, and day_from"),
    "arrival in another column": (
        {"source": replace(ARRIVED, day_column=None)},
        "day_column is None, which is not the partition_column 'delivered_on'",
    ),
    "arrival that is not in the key": ({"source": ARRIVED}, "does not say the day"),
    "a day of the rows from elsewhere": (
        {"source": replace(ARRIVED, day_from="rows")},
        "day_column is 'delivered_on', which no file has",
    ),
    "a day of the rows that no file has": (
        {"source": replace(ARRIVED, day_from="rows", day_column=None, file_column="delivered_on")},
        "'delivered_on' is no column of the files",
    ),
    "a day of the rows that is not in the key": (
        {"source": replace(ARRIVED, day_from="rows", day_column=None)},
        "does not say the day",
    ),
    "a day from somewhere in a table without": (
        {"source": ARRIVED, "partition_column": None},
        'day_from is "arrival" and the table has no days',
    ),
    "a day": ({"source": replace(SOURCE, day_column="carrier")}, "is String.*pl.Date"),
}


@pytest.mark.parametrize("what", WRONG)
def test_m1_a_spec_of_files_that_cannot_be_is_one_sentence(what: str) -> None:
    changes, says = WRONG[what]
    with pytest.raises(SpecError, match=rf"TableSpec shipments: .*{says}"):
        replace(SPEC, **changes)
