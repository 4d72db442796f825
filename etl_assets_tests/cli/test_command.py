"""The command itself: lazy, the same help, every error in one message."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest

from etl_assets.cli import output
from etl_assets.cli.main import COMMANDS, main
from etl_assets_tests.cli.conftest import Shop

HEAVY = ("dagster", "pandera", "pandas", "alembic", "google", "pyarrow", "numpy")
PROGRAM = """
import sys
from etl_assets.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("LOADED", code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(shop: Shop, *arguments: str) -> tuple[str, set[str]]:
    """What the command printed, and the top-level packages that its process had imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**_inherited(), **shop.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    label, code, *names = done.stderr.splitlines()[-1].split()
    assert (label, code) == ("LOADED", "0"), done.stderr
    return done.stdout, set(names)


def _inherited() -> dict[str, str]:
    import os

    own = ("ETL_", "DATABASE_", "WAREHOUSE_", "DAGSTER_", "BIGQUERY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@pytest.mark.thorough_but("arguments0", "arguments5")
@pytest.mark.parametrize(
    ("arguments", "prints"),
    [
        (["status"], "raw/orders"),
        (["status", "--json"], '"table": "raw/orders"'),
        (["state", "show", "raw/orders"], "high_watermark"),
        (["state", "history", "raw/orders"], "raw/orders has no position yet"),
        (["doctor"], "raw/customers"),
        (["dictionary"], "raw/orders"),
    ],
)
def test_a_command_that_only_reads_imports_neither_dagster_nor_pandera(
    shop: Shop, arguments: Sequence[str], prints: str
) -> None:
    out, names = loaded(shop, *arguments)
    assert prints in out
    assert "polars" in names, "the test cannot see what is imported"
    assert not names & set(HEAVY)


@pytest.mark.thorough
def test_doctor_imports_no_warehouse_where_the_source_is_ones_own(shop: Shop) -> None:
    """It costs as much as the half of a code location's imports at most: see `benchmarks`."""
    _, names = loaded(shop, "doctor")
    assert {"sqlalchemy", "etl_assets"} <= names, "the test cannot see what is imported"
    assert not names & {"duckdb", "pydantic_settings"}


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["status", "--help"]])
def test_help_imports_nearly_nothing(shop: Shop, arguments: Sequence[str]) -> None:
    out, names = loaded(shop, *arguments)
    assert "Usage:" in out
    assert not names & {*HEAVY, "polars", "duckdb", "sqlalchemy", "psycopg", "rich"}


@pytest.mark.thorough
def test_a_warehouse_in_postgresql_is_read_without_alembic(shop: Shop, database_url: str) -> None:
    there = shop.with_environment(WAREHOUSE_URL=database_url)
    out, names = loaded(there, "status")
    assert "Nothing is published yet" in out
    assert not names & set(HEAVY)


def test_every_module_of_a_command_is_in_the_help_and_says_the_same() -> None:
    context = click.Context(main)
    assert main.list_commands(context) == sorted(COMMANDS)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
    folder = Path(output.__file__).parent
    helpers = {"__init__", "__main__", "main", "output", "tables", "opened", "days", "environment"}
    helpers |= {"progress", "terminal", "visible"}
    # Commands of `events`, and what `status` says of them.
    helpers |= {"event_archive", "event_links", "event_loading", "event_freshness"}
    helpers |= {"demo_events", "demo_star"}  # of `demo`
    helpers |= {"add_all"}  # of `add-table`
    assert {path.stem for path in folder.glob("*.py")} - helpers == {
        name.replace("-", "_") for name in COMMANDS
    }
    assert main.get_command(context, "nothing") is None


def test_names_in_square_brackets_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_error("postgres[billing]:public.orders [/red] [bold]")
    column = output.Column("name", "a[b]", lambda row: (row["name"], "green"))
    rows = [{"name": "x[red]y wide enough"}, {"name": "z[/]"}]
    output.print_rows(output.Table("names", "In [billing]", [column], rows))
    printed = capsys.readouterr()
    assert "postgres[billing]:public.orders [/red] [bold]" in printed.err
    assert all(text in printed.out for text in ("In [billing]", "a[b]", "x[red]y", "z[/]"))


@pytest.mark.parametrize("act", [Path.mkdir, Path.read_text, Path.iterdir])
def test_m11_what_the_operating_system_refuses_is_one_message_with_the_path(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Callable[[Path], Any]
) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    monkeypatch.setattr("etl_assets.cli.status.print_status", lambda *_, **__: list(act(home)))
    done = shop.run("status")
    assert done.exit_code == 1
    assert done.stderr.count("error:") == 1
    assert str(home) in done.stderr
    assert "Not a directory" in done.stderr


def test_a_fault_of_ours_is_said_without_its_values(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a customer's name")

    monkeypatch.setattr("etl_assets.cli.status.print_status", fail)
    done = shop.run("status")
    assert done.exit_code == 1
    assert "KeyError: … (etl_assets/cli/" in done.stderr
    assert "customer" not in done.stderr


def test_m3_doctor_takes_tables(shop: Shop) -> None:
    done = shop.run("doctor", "raw/orders", "raw/products")
    assert done.exit_code == 0, done.stderr
    assert "raw/orders" in done.stdout
    assert "raw/products" in done.stdout
    assert "raw/customers" not in done.stdout
    assert "?" not in done.stdout
    wrong = shop.run("doctor", "raw/order")
    assert (wrong.exit_code, "Did you mean raw/orders?" in wrong.stderr) == (2, True)


def test_doctor_says_what_source_and_warehouse_cannot(shop: Shop) -> None:
    done = shop.run("doctor", "raw/orders", "raw/countries")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    reason = "Its spec names no cursor_column."
    assert f"raw/countries be synced by its changes {reason}" in lines
    assert not any(line.startswith("raw/orders be ") for line in lines)
    (told,) = [line for line in lines if line.startswith("The warehouse cannot")]
    assert told.startswith("The warehouse cannot tell names apart by case, or be open in several")
    assert "docs/warehouses.md" in told
    away = shop.run("doctor", "raw/orders", WAREHOUSE_URL="bigquery://nobody")
    assert "hold lists of lists" in away.stdout
    assert "tell names apart" not in away.stdout


def first_cells(lines: list[str]) -> dict[str, list[str]]:
    """By the first word of a line the others, of the first line that begins with it."""
    found: dict[str, list[str]] = {}
    for cells in map(str.split, lines):
        if cells:
            found.setdefault(cells[0], cells[1:])
    return found


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://u:c4n4ry@127.0.0.1:1/shop", "127.0.0.1:1"),
        ("postgresql://u:c4n4ry@localhost:2/shop", "localhost:2"),
        ("postgresql://u:c4n4ry@nowhere.invalid/shop?sslmode=disable", "nowhere.invalid"),
    ],
)
def test_m3_an_outage_is_said_once_with_its_host_and_nothing_is_made_up(
    shop: Shop, url: str, host: str
) -> None:
    done = shop.run("doctor", DATABASE_URL=url)
    assert done.exit_code == 1
    assert done.stderr.count("error:") == 1
    assert "could not be reached" in done.stderr
    assert host in done.stdout + done.stderr
    assert "c4n4ry" not in done.stdout + done.stderr
    tables = done.stdout.partition("What the sources")[0].splitlines()
    lines = first_cells(tables)
    billing = ("billing_accounts", "invoices")
    apis, files = ("crm_contacts", "sales"), ("identity_decisions", "shipments", "supplier_prices")
    # Other systems are there. What columns items and files have is not known before they are read.
    for name, undeclared in {
        **dict.fromkeys(billing, "none"),
        **dict.fromkeys((*apis, *files), "?"),
    }.items():
        assert lines.pop(f"raw/{name}") == ["yes", undeclared, "0"]
    away = {name: cells for name, cells in lines.items() if name.startswith("raw/")}
    assert len(away) == 5
    assert all(cells == ["no", "?", "?"] for cells in away.values())


def test_m3_what_could_not_be_read_of_one_table_is_unknown_and_others_are_checked(
    shop: Shop,
) -> None:
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE products RENAME TO products_elsewhere")
        try:
            done = shop.run("doctor")
        finally:
            connection.execute("ALTER TABLE products_elsewhere RENAME TO products")
    assert done.exit_code == 1
    lines = first_cells(done.stdout.splitlines())
    assert lines["raw/products"] == ["no", "?", "?"]
    assert lines["raw/orders"] == ["yes", "none", "0"]
    assert done.stderr.count("error:") == 1


def test_a_wide_table_is_printed_whole_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [output.Column(f"column_{n}", right=True) for n in range(40)]
    row = {f"column_{n}": f"value {n}" for n in range(40)}
    output.print_rows(output.Table("wide", "Wide", columns, [row]))
    lines = capsys.readouterr().out.splitlines()
    assert any(all(f"value {n}" in line for n in range(40)) for line in lines)
