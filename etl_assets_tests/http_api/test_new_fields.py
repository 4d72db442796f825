"""A field that an API has and the contract does not: `status` tells it, as it does of files."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.http_api.server import Api, said, serve
from etl_assets_tests.importable import importable

MODULE = """
    import polars as pl
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.http_specs import HttpApi
    from etl_assets.core.source_specs import Files
    from etl_assets.core.file_formats import JsonLines
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        made_on: pl.Date = column(description="Made.")

        class Config:
            unique = ["id", "made_on"]

    TABLE = TableSpec(name="{name}", source={source}, raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="Things.", partition_column="made_on",
        cursor_column=None, ignore=["noise"])
"""
SOURCES = {
    "things": 'HttpApi("things")',
    "pieces": 'Files("{day:%Y-%m-%d}.jsonl", JsonLines(), day_column="made_on")',
}
DAY = "2024-01-01"
ITEM = {"id": 1, "made_on": DAY}
RAW = ("raw/things", "raw/pieces")


@pytest.fixture
def api() -> Iterator[Api]:
    with serve(lambda _asked: said([ITEM])) as running:
        yield running


@pytest.fixture
def things(api: Api, tmp_path: Path) -> Iterator[Shop]:
    """A project of one's own that reads the same things from an API and from files."""
    package, store = tmp_path / "thing_tables", tmp_path / "store"
    package.mkdir()
    store.mkdir()
    (package / "__init__.py").touch()
    for name, source in SOURCES.items():
        text = textwrap.dedent(MODULE).format(name=name, source=source)
        (package / f"{name}.py").write_text(text)
    environment = {
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
        "ETL_TABLES": "thing_tables",
        "ETL_HOME": str(tmp_path / "home"),
        "HTTP_API_URL_API": api.url,
        "OBJECT_STORE_URL": store.as_uri(),
        "ETL_FIRST_DAY": DAY,
        "ETL_LAST_DAY": DAY,
    }
    with importable(tmp_path):
        yield Shop("", tmp_path, environment)


def backfilled(shop: Shop, api: Api, item: dict[str, object]) -> None:
    api.answers = lambda _asked: said([item])
    in_file = {name: value for name, value in item.items() if name != "made_on"}
    (shop.folder / "store" / f"{DAY}.jsonl").write_text(f"{json.dumps(in_file)}\n")
    done = shop.run("backfill", *RAW)
    assert done.exit_code == 0, done.output


def test_a_new_field_is_told_by_status_of_an_api_as_of_files(things: Shop, api: Api) -> None:
    backfilled(things, api, ITEM)
    assert "schema_drift" not in things.run("status").output
    backfilled(things, api, {**ITEM, "colour": "red"})
    told = things.run("status").stderr
    assert "Checks that warn: " in told
    for path in RAW:
        assert f"{path} (schema_drift on 1 day)" in told
    lines = json.loads(things.run("status", "--json").stdout)["published"]
    assert {one["table"]: (one["checks_failed"], one["warnings"]) for one in lines} == {
        path: (1, {"schema_drift": 1}) for path in RAW
    }


@pytest.mark.thorough
def test_doctor_does_not_say_what_columns_items_have_before_it_read_any(
    things: Shop, api: Api
) -> None:
    backfilled(things, api, {**ITEM, "colour": "red"})
    told = things.run("doctor", "--json")
    assert told.exit_code == 0, told.output
    tables = json.loads(told.stdout)["tables"]
    unknown = {one["table"]: one["columns_not_in_contract"] for one in tables}
    assert unknown == dict.fromkeys(RAW)
    assert "its spec ignores" not in things.run("doctor").stderr
