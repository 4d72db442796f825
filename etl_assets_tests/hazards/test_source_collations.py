"""Text keys where the source sorts and compares otherwise than byte by byte: ICU collations.

The order of (cursor, key) is PostgreSQL's alone: no position is compared anywhere else. What a key
is equal to is the contract's: byte by byte.
"""

from datetime import date

import polars as pl
import pytest

from etl_assets.core.position import Position
from etl_assets.core.scope import Scope
from etl_assets.sources.postgres import keys as keys_module
from etl_assets_tests.changing import LATER, MUCH, START, changing_table, frame_of, pages
from etl_assets_tests.contract.test_digests import expected
from etl_assets_tests.source_tables import run, snapshot_of

TABLE = changing_table({"k": pl.String}, key=("k",))
SCOPE = Scope(date(2024, 1, 1))
# Among them are texts that an ICU collation puts between others, or takes for equal to them.
TEXTS = [
    *("a", "A", "b", "B", "ä", "Ä", "a\u0308", "á", "z", "Z", "ss", "ß", "co-op", "coop", "CO-OP"),
    *(
        "",
        " ",
        "-",
        "_",
        "a b",
        "ab",
        "a\u00adb",
        "N",
        "n",
        "1",
        "10",
        "2",
        "\u0131",
        "I",
        "i",
        "İ",
    ),
    *("日本", "にほん", "ニホン", "\U0001f388", "O'Neill", "o neill", "\\", '"', "e\u0301", "é"),
]
LOOSE = (
    "CREATE COLLATION loose"
    " (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false)"
)


def make_texts(url: str, column: str = "text", more: str = "") -> None:
    """All of TEXTS, ten of them a moment."""
    values = ", ".join(
        f"($t${text}$t$, '2024-05-17', '2024-05-17'::timestamptz + {n // 10} * interval '1 hour')"
        for n, text in enumerate(TEXTS)
    )
    run(
        url,
        f"CREATE TABLE things (k {column}, day_at timestamptz, updated_at timestamptz{more})",
        f"INSERT INTO things VALUES {values}",
    )


def test_the_server_does_sort_otherwise(icu_database_url: str) -> None:
    make_texts(icu_database_url)
    found = [row[0] for row in run(icu_database_url, "SELECT k FROM things ORDER BY k")]
    assert sorted(found) == sorted(TEXTS)
    assert found != sorted(found)
    run(icu_database_url, LOOSE)
    assert run(icu_database_url, "SELECT 'coop' = 'CO-OP' COLLATE loose") == [(True,)]


@pytest.mark.parametrize("most_rows", [1, 2, 3, 7, 100])
def test_every_text_key_is_read_once_whatever_the_collation(
    icu_database_url: str, most_rows: int
) -> None:
    make_texts(icu_database_url, more=", PRIMARY KEY (k)")
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        read = pl.concat(pages(snapshot, None, LATER, most_rows))
    assert sorted(read["k"]) == sorted(TEXTS)


@pytest.mark.parametrize("most_rows", [1, 2, 3, 7, 100])
def test_texts_that_the_source_takes_for_equal_are_read_once_each(
    icu_database_url: str, most_rows: int
) -> None:
    run(icu_database_url, LOOSE)
    make_texts(icu_database_url, "text COLLATE loose")
    read: list[str] = []
    after: Position | None = None
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        while True:  # a page has all that is equal to its last row, so it may be longer than asked
            found = snapshot.changes(after, LATER, most_rows, MUCH)
            read += frame_of(found)["k"].to_list()
            assert found.rows <= most_rows + 10
            if found.is_last:
                break
            after = found.last
    assert sorted(read) == sorted(TEXTS)


def test_rows_are_found_by_exactly_their_keys_in_every_collation(
    icu_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "KEYS_A_STATEMENT", 1)  # equal ones in different statements
    run(icu_database_url, LOOSE)
    make_texts(icu_database_url, "text COLLATE loose")
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        everything = snapshot.by_keys(pl.DataFrame({"k": TEXTS}))
        assert (everything.rows, sorted(frame_of(everything)["k"])) == (len(TEXTS), sorted(TEXTS))
        some = frame_of(snapshot.by_keys(pl.DataFrame({"k": ["coop", "a", "E\u0301"]})))
    assert sorted(some["k"]) == ["a", "coop"]


def test_r9_a_key_is_repeated_byte_by_byte_only(icu_database_url: str) -> None:
    run(icu_database_url, LOOSE)
    make_texts(icu_database_url, "text COLLATE loose")
    run(
        icu_database_url,
        "INSERT INTO things SELECT * FROM things WHERE k IN ('coop' COLLATE \"C\", 'ß')",
    )
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        repeated = snapshot.repeated_keys(SCOPE)["k"].to_list()
        among = snapshot.repeated_keys(SCOPE, pl.DataFrame({"k": ["coop", "CO-OP", "a"]}))
    written = run(
        icu_database_url, 'SELECT k FROM things GROUP BY k COLLATE "C", k HAVING count(*) > 1'
    )
    assert sorted(repeated) == sorted({row[0] for row in written})
    assert among["k"].to_list() == ["coop"]


def test_r9_a_looser_collation_proves_a_key_unique_all_the_more(icu_database_url: str) -> None:
    run(
        icu_database_url,
        LOOSE,
        "CREATE TABLE things (k text COLLATE loose PRIMARY KEY, day_at timestamptz,"
        " updated_at timestamptz)",
    )
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        assert snapshot.key_is_unique


@pytest.mark.parametrize("column", ["text", "text COLLATE loose"])
def test_digests_are_the_same_in_every_collation(icu_database_url: str, column: str) -> None:
    run(icu_database_url, LOOSE)
    make_texts(icu_database_url, column)
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        loaded = frame_of(snapshot.changes(None, LATER, 1000, MUCH))
        found = snapshot.digests(None, 8)
        rows = snapshot.row_digests(START.date(), 8, range(8))
    assert sorted(found.rows()) == expected(TABLE, loaded, 8)
    assert sorted(rows["k"]) == sorted(TEXTS)


def test_an_index_of_the_collation_serves_positions_and_keys(icu_database_url: str) -> None:
    run(
        icu_database_url,
        LOOSE,
        "CREATE TABLE things (k text COLLATE loose PRIMARY KEY, day_at timestamptz,"
        " updated_at timestamptz)",
        "INSERT INTO things SELECT md5(n::text), '2024-05-17',"
        " '2024-05-17'::timestamptz + n * interval '1 second' FROM generate_series(1, 50000) n",
        "CREATE INDEX ON things (updated_at, k)",
        "ANALYZE things",
    )
    with snapshot_of(icu_database_url, TABLE) as snapshot:
        some = snapshot.changes(Position(START, ("0",)), LATER, 10, MUCH)
        found = frame_of(snapshot.by_keys(frame_of(some).select("k")))
        scans = snapshot.connection.execute(
            "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert found.height == some.rows == 10
    assert scans == (0, True)
