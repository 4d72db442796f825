"""Settings: what is read, and that a bad value is named by its variable and never quoted."""

from pathlib import Path

import pytest

from etl_assets.config import DEMO_LAST_DAY, Settings, read_settings
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
    assert str(warehouse_path(url)).replace("//", "/") == path


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
    with pytest.raises(EtlError, match=r"WAREHOUSE_URL.*duckdb:///path/to/") as caught:
        warehouse_path(url)
    assert CANARY not in str(caught.value)
