"""Settings: what is read, and that a bad value is named by its variable and never quoted."""

import re
from pathlib import Path

import pytest

from etl_assets.config import (
    DEMO_LAST_DAY,
    DEMO_TABLES,
    FIRST_DAY,
    MALFORMED,
    Settings,
    read_settings,
    shown_url,
)
from etl_assets.core.errors import ConfigError, EtlError
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.factory import open_warehouse

CANARY = "c4n4ry"


def test_an_empty_environment_means_the_embedded_parts() -> None:
    settings = read_settings({})
    assert (settings.database_url, settings.warehouse_url) == (None, None)
    assert settings.home.is_absolute()
    assert settings.newest_day() == DEMO_LAST_DAY


def test_a_database_of_ones_own_has_no_last_day() -> None:
    settings = read_settings({"DATABASE_URL": "postgresql://h/d"})
    assert settings.last_day is None


def test_variables_that_are_set_to_nothing_are_unset() -> None:
    names = ["DATABASE_URL", "WAREHOUSE_URL", "ETL_HOME", "ETL_FIRST_DAY", "ETL_LAST_DAY"]
    assert read_settings(dict.fromkeys(names, "")) == read_settings({})


SECONDS = ["ETL_STATEMENT_TIMEOUT_SECONDS", "ETL_WAREHOUSE_WAIT_SECONDS"]


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [CANARY, "-1", "1,5"])
def test_a_number_that_is_none_is_named_and_not_quoted(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        read_settings({name: value})
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["nan", "1e999"])
def test_nan_and_infinity_are_no_numbers_of_seconds(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: value})


@pytest.mark.parametrize("name", ["ETL_FIRST_DAY", "ETL_LAST_DAY"])
def test_a_day_that_is_none_is_named_and_not_quoted(name: str) -> None:
    with pytest.raises(EtlError, match=name) as caught:
        read_settings({name: CANARY})
    assert CANARY not in str(caught.value)


def test_an_object_store_of_ones_own_is_a_source_of_ones_own() -> None:
    given = {"OBJECT_STORE_URL": "s3://partner/drop", "ETL_FIRST_DAY": "2026-01-01"}
    settings = read_settings(given)
    assert (settings.has_source, settings.last_day) == (True, None)


def test_a_last_day_before_the_first_is_refused() -> None:
    with pytest.raises(EtlError, match="ETL_LAST_DAY"):
        read_settings({"ETL_FIRST_DAY": "2024-02-01", "ETL_LAST_DAY": "2024-01-31"})


def test_secrets_are_not_in_the_repr() -> None:
    urls = dict.fromkeys(["DATABASE_URL", "WAREHOUSE_URL", "DAGSTER_POSTGRES_URL"], CANARY)
    assert CANARY not in repr(read_settings(urls))


def warehouse_path(url: str | None, home: str = "/data") -> Path:
    found = open_warehouse(Settings(home=Path(home), warehouse_url=url))
    assert isinstance(found, DuckDBWarehouse)
    return found.path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("duckdb:///data/w.duckdb", "/data/w.duckdb"),
        ("duckdb:////data/w.duckdb", "/data/w.duckdb"),
        ("duckdb:///data/two%20words%23.duckdb", "/data/two words#.duckdb"),
        (None, "/data/warehouse.duckdb"),
    ],
)
def test_a_duckdb_url_names_an_absolute_file(url: str | None, path: str) -> None:
    assert str(warehouse_path(url)) == path


@pytest.mark.parametrize("home", ["/data/100%25", "/data/a#b", "/data/what?", "/data/[x]"])
def test_a_data_folder_may_have_any_name(home: str) -> None:
    assert warehouse_path(None, home) == Path(home, "warehouse.duckdb")


@pytest.mark.parametrize(
    "url",
    [
        f"duckdb://{CANARY}/w.duckdb",
        f"duckdb://u:{CANARY}@h/w.duckdb",
        f"duckdb://[{CANARY}/w.duckdb",
        f"duckdb:///w.duckdb?password={CANARY}",
        "duckdb:///",
        "duckdb:///folder/",
        "duckdb://",
        f"mysql://u:{CANARY}@h/d",
        CANARY,
    ],
)
def test_a_bad_warehouse_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(EtlError, match=r"WAREHOUSE_URL.*duckdb:////path/to/") as caught:
        warehouse_path(url)
    assert CANARY not in str(caught.value)


def test_databases_of_other_connections_come_from_their_variables_in_lower_case() -> None:
    settings = read_settings(
        {
            "DATABASE_URL_BILLING": "postgresql://b/d",
            "DATABASE_URL_OLD_SHOP": "",
            "DATABASE_URL": "",
        }
    )
    assert dict(settings.databases) == {"billing": "postgresql://b/d"}
    assert settings.database_url is None
    assert settings.last_day is None, "the days of the demo shop end, not those of billing"
    assert CANARY not in repr(read_settings({"DATABASE_URL_BILLING": CANARY}))


def test_the_packages_of_the_tables_are_a_list_with_commas() -> None:
    assert read_settings({"ETL_TABLES": "a.tables, b.tables"}).tables == ("a.tables", "b.tables")
    assert read_settings({}).tables == DEMO_TABLES
    assert read_settings({"DATABASE_URL": "postgresql://h/d"}).tables == ("etl_assets.tables",)
    events = {"EVENTS_DATABASE_URL": "postgresql://h/d"}
    assert read_settings(events).tables == ("etl_assets.tables",)
    assert DEMO_TABLES == ("etl_assets.tables", "etl_assets.tables.events")


@pytest.mark.parametrize(("text", "is_demo"), [("1", True), ("no", False), ("", False)])
def test_the_demo_is_asked_for_by_a_variable(text: str, is_demo: bool) -> None:
    assert read_settings({"ETL_DEMO": text}).demo is is_demo


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ETL_DEMO", "is neither 1 nor 0"),
        ("ETL_SYNC_CHUNK_ROWS", "is not a number from 1 to"),
        ("ETL_WAREHOUSE_POOL_SIZE", "is not a number from 1 to 1000. Set it to 20, say."),
        ("ETL_WAREHOUSE_POOL_RECYCLE_SECONDS", "is not a number of seconds up to"),
        ("ETL_SYNC_LAG_SECONDS", "is not a number of seconds up to 604800. Set it to 600, say."),
        ("ETL_LATE_DAYS_A_TICK", "is not a number from 1 to"),
        ("ETL_FILES_RECENT_DAYS", "is not a number from 1 to"),
        ("ETL_FILES_TICK_SECONDS", "is not a number of seconds up to 604800. Set it to 30, say."),
        ("ETL_FILES_SWEEP_SECONDS", "is not a number of seconds up to"),
        ("ETL_LAST_DAY", "is not a day. Write it as YYYY-MM-DD."),
    ],
)
def test_every_kind_of_setting_says_what_it_should_be(name: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({name: CANARY})
    assert str(caught.value).startswith(f"{name} {says}")
    assert CANARY not in str(caught.value)


def test_settings_of_code_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/d")
    monkeypatch.setenv("ETL_SYNC_CHUNK_ROWS", "7")
    settings = Settings(home=Path("/data"))
    assert (settings.database_url, settings.sync.chunk_rows) == (None, 50_000)


def test_the_environment_wins_over_the_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file/d\nETL_FIRST_DAY=2024-02-01\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://shell/d")
    monkeypatch.delenv("ETL_FIRST_DAY", raising=False)
    settings = read_settings()
    assert settings.database_url == "postgresql://shell/d"
    assert str(settings.first_day) == "2024-02-01"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"DATABASE_URL=postgresql://u:{CANARY}@h/d\n".encode("utf-16"), "is not text in UTF-8"),
        (f"# ours\n\nDATABASE_URL {CANARY}\n".encode(), ".env, line 3: that is no NAME=value"),
        (f'A=1\nDATABASE_URL="{CANARY}\n'.encode(), ".env, line 2: that is no NAME=value"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_named_with_its_line(
    content: bytes, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        read_settings()
    assert str(tmp_path) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_an_env_file_may_have_a_byte_order_mark_and_may_be_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://h/d\n", encoding="utf-8-sig")
    assert read_settings().database_url == "postgresql://h/d"
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()  # a virtual environment of that name
    read_settings()


def test_settings_that_are_changed_are_checked_and_the_old_ones_stay() -> None:
    settings = Settings(home=Path("/data"), hash_key=CANARY)
    assert settings.changed(warehouse_wait_seconds=1).hash_key == CANARY
    assert settings.warehouse_wait_seconds == 120
    with pytest.raises(ValueError, match="warehouse_wait_seconds"):
        settings.changed(warehouse_wait_seconds=-1)


def test_the_demo_has_its_own_tables_days_and_source_whatever_is_set() -> None:
    environment = {"DATABASE_URL": "postgresql://h/d", "ETL_TABLES": "a", "ETL_EVENT_SOURCES": "a"}
    demo = read_settings(environment).for_demo()
    assert (demo.database_url, demo.tables, demo.demo) == (None, DEMO_TABLES, True)
    assert demo.event_sources == "etl_assets.events.shop"
    assert (demo.first_day, demo.last_day) == (FIRST_DAY, DEMO_LAST_DAY)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://u:{CANARY}@db:5433/shop?x={CANARY}", "postgresql://db:5433/shop"),
        (f"postgresql://postgres:{CANARY}@/shop?host=/socket", "postgresql:///shop"),
        ("duckdb:///data/w.duckdb", "duckdb:///data/w.duckdb"),
        ("duckdb:///home/a@b/w.duckdb", "duckdb:///home/a@b/w.duckdb"),
        ("postgresql://h/d?options=-c%20x@y", MALFORMED),  # rather too little than too much
        (f"postgresql://h:{CANARY}/d", MALFORMED),
        (f"reader:{CANARY}@h:5432/d", MALFORMED),
        (f"postgres//reader:{CANARY}@h/d", MALFORMED),
        (f'"postgresql://reader:{CANARY}@h/d"', MALFORMED),
        (f"host=h user=reader password={CANARY}", MALFORMED),
        (f"postgresql://reader:a/{CANARY}@h/d", MALFORMED),
        (f"postgresql://reader:1?{CANARY}@h/d", MALFORMED),
        (f"postgresql://reader:1#{CANARY}@h/d", MALFORMED),
        (f"s3//{CANARY}@bucket/x", MALFORMED),
        (CANARY, MALFORMED),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
