"""Foreign tables as sources: postgres_fdw to another database of the same server (B4).

The embedded server has no postgres_fdw; Debian's has it.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest

from etl_assets.core.errors import SourceUnavailable
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of, run
from etl_assets_tests.sync.shelf import CREATE, FIRST_DAY, Shelf, put, shelf_table

COLUMNS = "id bigint, created_at timestamptz, updated_at timestamptz, v text, amount numeric(12,2)"
OPTIONS = "OPTIONS (table_name 'shelf')"
DAYS = [FIRST_DAY + timedelta(days=n) for n in range(3)]


@pytest.fixture
def far(icu_database_url: str, tmp_path: Path) -> Iterator[tuple[Shelf, str]]:
    """The shelf, whose table is a foreign one, and the URL of the database that it is read from."""
    other = f"other_{uuid4().hex[:12]}"
    run(icu_database_url, f"CREATE DATABASE {other}")
    parts = urlsplit(icu_database_url)
    url = icu_database_url.replace(f"{parts.path}?", f"/{other}?", 1)
    run(url, *CREATE.format(name="shelf").split(";"))
    asked = parse_qs(parts.query)
    table = shelf_table("shelf", lookback=timedelta(0))
    with reader_of(icu_database_url) as reader:
        shelf = Shelf(
            icu_database_url, table, DuckDBWarehouse(tmp_path / "w.duckdb"), tmp_path, reader
        )
        shelf.sql(
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS "
            f"(host '{asked['host'][0]}', port '{asked['port'][0]}', dbname '{other}')",
            "CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'postgres')",
        )
        yield shelf, url


def foreign(shelf: Shelf, name: str = "shelf") -> None:
    shelf.sql(f"CREATE FOREIGN TABLE {name} ({COLUMNS}) SERVER far {OPTIONS}")


@pytest.mark.thorough_but("itself")
@pytest.mark.parametrize("kind", ["itself", "a view", "a partition"])
def test_b4_a_foreign_table_is_loaded_synced_and_reconciled(
    far: tuple[Shelf, str], kind: str
) -> None:
    shelf, url = far
    if kind == "itself":
        foreign(shelf)
    elif kind == "a view":
        foreign(shelf, "f")
        shelf.sql("CREATE VIEW shelf AS SELECT * FROM f")
    else:
        shelf.sql(
            f"CREATE TABLE shelf ({COLUMNS}) PARTITION BY RANGE (id)",
            "CREATE FOREIGN TABLE f PARTITION OF shelf DEFAULT SERVER far " + OPTIONS,
        )
    there = replace(shelf, url=url)
    put(there, 20)
    shelf.sync()
    assert shelf.last
    assert any("foreign server far" in warning for warning in shelf.last.horizon.warnings)
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 20
    there.sql("UPDATE shelf SET v = 'new', updated_at = now() WHERE id < 5")
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    # What is committed late there is not seen here: reconciliation finds it.
    there.sql("INSERT INTO shelf SELECT 99, created_at, '2024-05-05Z', v FROM shelf WHERE id = 1")
    shelf.sync()
    assert len(shelf.published()) == 20
    found = shelf.reconcile()
    assert (found.differences.missing.height, found.is_equal) == (1, True)
    shelf.reload(*DAYS)
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 21
    with shelf.source().open() as snapshot:
        (told, *_) = snapshot.limits()
    assert "foreign table" in told
    assert "of the foreign server far" in told
    assert "TRUNCATE" in told


def test_b4_a_sync_of_a_foreign_table_stays_behind_what_it_cannot_see(
    far: tuple[Shelf, str],
) -> None:
    shelf, url = far
    shelf.horizon = HorizonPolicy(lag=timedelta(minutes=10))
    foreign(shelf)
    there = replace(shelf, url=url)
    put(there, 3, stamp="now() - interval '1 hour'")
    with psycopg.connect(url) as writer:  # is open while a sync passes
        writer.execute(
            "INSERT INTO shelf SELECT 9, created_at, now() - interval '30 minutes', v, amount "
            "FROM shelf WHERE id = 1"
        )
        put(there, 3, first=4)
        shelf.sync()
        assert [row[0] for row in shelf.published()] == [1, 2, 3]  # 4 to 6 are too new
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 9]
    there.sql("UPDATE shelf SET updated_at = now() - interval '15 minutes' WHERE id > 3")
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 7


def test_b4_a_foreign_table_that_was_truncated_takes_nothing_with_it(
    far: tuple[Shelf, str],
) -> None:
    shelf, url = far
    shelf.table = replace(
        shelf.table,
        thresholds=replace(shelf.table.thresholds, min_share_of_last=0.5, max_deleted_share=0.2),
    )
    foreign(shelf)
    put(replace(shelf, url=url), 12)
    shelf.sync()
    before = shelf.published()
    run(url, "TRUNCATE shelf")
    shelf.sync()
    assert [day.blocking for day in shelf.load(*DAYS)] == [["row_count_against_published"]] * 3
    found = shelf.reconcile(confirmed=False)
    assert found.repair
    assert found.repair.mass_delete
    assert shelf.published() == before


def test_b4_a_foreign_server_that_is_away_is_named(far: tuple[Shelf, str]) -> None:
    shelf, url = far
    foreign(shelf)
    put(replace(shelf, url=url), 3)
    shelf.policy = replace(shelf.policy, patience=timedelta(0))
    shelf.sql("ALTER SERVER far OPTIONS (SET port '1')")
    with pytest.raises(SourceUnavailable) as raised:
        shelf.sync()
    assert '"far"' in raised.value.what
    assert "CREATE SERVER" in raised.value.next_step
    shelf.sql(f"ALTER SERVER far OPTIONS (SET port '{parse_qs(urlsplit(url).query)['port'][0]}')")
    shelf.sync()
    assert len(shelf.published()) == 3
