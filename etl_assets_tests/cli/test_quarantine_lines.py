"""Lines of files in quarantine are found by the values of their key, and shown as they are written.

Their place is object and line; which rows of other tables are found is in `test_quarantine.py`.
"""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable

HEAD = """
    import polars as pl
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.file_formats import Csv, JsonLines
    from etl_assets.core.policies import Thresholds
    from etl_assets.core.source_specs import Files
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        order_id: pl.Int64 = column(description="Its number.")
        shop: pl.String = column(description="Whose.")
        amount: pl.Decimal(9, 2) = column(description="Paid.", nullable=True)
        day: pl.Date = column(description="Of the file.")

        class Config:
            unique = ["order_id", "shop", "day"]

    TABLE = TableSpec(name="{name}", source=Files("{name}/{{day:%Y-%m-%d}}.*", {form},
        location="{store}", day_column="day"), raw=Raw, staged=Raw, stage=lambda raw: raw,
        description="Orders.", partition_column="day", cursor_column=None,
        thresholds=Thresholds(max_bad_share=1.0))
"""
TABLES = {"orders": "JsonLines()", "sheets": "Csv()", "plain": "Csv(header=False)"}
DAY = "2026-11-01"
OBEYED = "\x1b]0;t\x07\x1b[31m\x9b\u202e\u2066\ud800\n"
SEEN = r"\x1b]0;t\x07\x1b[31m\x9b\u202e\u2066\ud800\x0a"
LONG = "x" * 3_000
LINES = {
    "orders": [
        '{"order_id": 1001, "shop": "a", "amount": 1e400}',
        '{"order_id": "1002", "shop": "a", "amount": 0.1000000000000000055511151231257827}',
        '{"order_id": 1003, "shop": "b, c", "amount": "x", "amount": "y"}',
        f'{{"order_id": 1004, "shop": "a", "amount": "x", "note": "{LONG}"}}',
        json.dumps({"order_id": 1005, "shop": OBEYED, "amount": "x"}),
        '{"order_id": 7, "shop": "a", "amount": 1}',
    ],
    "sheets": ["shop,order_id,amount", "a,1001,x", "a,7,1001"],
    "plain": ["1001,a,x", "7,a,1001"],
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Three tables of files, each with an order 7 and others whose amount is none."""
    folder = tmp_path_factory.mktemp("lines")
    store, package = folder / "store", folder / "line_tables"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, form in TABLES.items():
        module = HEAD.format(name=name, form=form, store=f"file://{store}")
        (package / f"{name}.py").write_text(textwrap.dedent(module))
        (store / name).mkdir(parents=True)
        (store / name / f"{DAY}.txt").write_text("".join(f"{one}\n" for one in LINES[name]))
    environment = {
        "DATABASE_URL": None,
        "ETL_TABLES": "line_tables",
        "ETL_HOME": str(folder / "home"),
        "ETL_FIRST_DAY": DAY,
        "ETL_LAST_DAY": DAY,
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
    }
    with importable(folder):
        made = Shop("", folder, environment)
        done = made.run("backfill", *(f"raw/{name}" for name in TABLES))
        assert done.exit_code == 0, done.output
        yield made


def shown(company: Shop, table: str, key: str) -> list[dict[str, Any]]:
    result = company.run("quarantine", "show", table, "--key", key, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("order_id=1001", 1),
        ("order_id=1002", 2),
        ("order_id=1002, shop=a", 2),
        ("order_id=1002,shop=a,day=2026-11-01", 2),
        ("shop=b, c", 3),
        ("order_id=1004", 4),
        ("amount=y", 3),
    ],
)
def test_a_line_is_found_by_the_values_of_its_key(company: Shop, key: str, line: int) -> None:
    (found,) = shown(company, "raw/orders", key)
    assert found["position"].endswith(f" line {line}")


@pytest.mark.parametrize("key", ["order_id=100", "id=1001", "order_id=1001, shop=b", "order_id=7"])
def test_a_line_with_another_key_is_not_found(company: Shop, key: str) -> None:
    assert shown(company, "raw/orders", key) == []


@pytest.mark.parametrize("table", ["raw/sheets", "raw/plain"])
def test_a_csv_line_is_found_by_its_fields(company: Shop, table: str) -> None:
    assert len(shown(company, table, "order_id=1001")) == 1
    assert len(shown(company, table, "order_id=1001, day=2026-11-01")) == 1
    assert shown(company, table, "order_id=1001, day=2026-11-02") == []
    assert shown(company, table, "order_id=1001, shop=b") == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("raw/orders", "It is in quarantine of raw/orders (amount: "),
        ("raw/plain", "It is in quarantine of raw/plain (amount: "),
        ("raw/sheets", "A line with its values is in quarantine of raw/sheets (amount: "),
    ],
)
def test_explain_finds_the_same_lines(company: Shop, table: str, told: str) -> None:
    result = company.run("explain", table, "1001", "a", DAY)
    message = " ".join(result.output.split())
    assert (result.exit_code, told in message) == (1, True), message
    other = company.run("explain", table, "1001", "b", DAY)
    assert "It is not in quarantine." in " ".join(other.output.split())


def test_values_are_shown_with_every_digit_and_every_member(company: Shop) -> None:
    exact = "0.1000000000000000055511151231257827"
    for key, told, values in (
        ("order_id=1001", "order_id=1001, shop=a, amount=1e400", {"amount": "1e400"}),
        ("order_id=1002", f"order_id=1002, shop=a, amount={exact}", {"amount": exact}),
        ("order_id=1003", "amount=x, amount=y", {"amount": "x", "amount (2)": "y"}),
    ):
        printed = company.run("quarantine", "show", "raw/orders", "--key", key)
        assert told in printed.stdout
        (found,) = shown(company, "raw/orders", key)
        assert found["values"] | values == found["values"]
    assert found["values"]["order_id"] == 1003


def test_nothing_that_a_terminal_obeys_is_printed_of_a_value(company: Shop) -> None:
    printed = company.run("quarantine", "show", "raw/orders", "--key", "order_id=1005")
    assert f"shop={SEEN}, amount=x" in printed.stdout
    explained = company.run("explain", "raw/orders", "1005", OBEYED[:-2], DAY).output
    for text in (printed.stdout, explained):
        assert not set(text) & set("\x1b\x07\x9b\u202e\u2066\ud800")
    assert SEEN.partition(r"\ud800")[0] in explained
    (found,) = shown(company, "raw/orders", "order_id=1005")
    assert found["values"]["shop"] == OBEYED


def test_a_day_is_loaded_again_by_the_key_of_a_line(company: Shop) -> None:
    done = company.run("quarantine", "replay", "raw/orders", "--key", "order_id=1001")
    assert "1 row in quarantine before, 1 now" in " ".join(done.stdout.split())


def test_a_key_without_a_column_is_refused_with_an_example(company: Shop) -> None:
    for command in ("show", "replay"):
        result = company.run("quarantine", command, "raw/orders", "--key", "1001")
        assert result.exit_code == 2
        assert "'1001' is no name and value" in result.output
        assert "like id=7" in " ".join(result.output.split())
