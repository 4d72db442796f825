"""What a user meets when something is wrong: one message that says what to do, and no harm done."""

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.e2e.command import Commands, Outcome
from etl_assets_tests.processes import hold, holding
from etl_assets_tests.source_tables import run

CANARY = "c4n4ry-Geheim"
ONE_DAY = ("backfill", "raw/orders", "--from", "2024-01-02", "--to", "2024-01-02")


@dataclass(frozen=True)
class Place:
    """A data folder with a published day, its source, and Dagster's database."""

    commands: Commands
    home: Path
    file: Path
    urls: Callable[[str], str]

    def published(self) -> list[Any]:
        with duckdb.connect(str(self.file)) as connection:
            return [
                connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
                for table in ("raw.orders", "etl.etl_state", "etl.etl_quarantine")
            ]


@pytest.fixture(scope="module")
def place(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    home = tmp_path_factory.mktemp("home")
    for name in ("errors_dagster", "errors_shop"):
        postgres.ensure_database(name)
    fill_shop(postgres.url("errors_shop"), days=4, orders_a_day=20)
    fill_billing(postgres.url("errors_shop"), days=4, orders_a_day=20)
    file = home / "warehouse.duckdb"
    environment = {
        "ETL_HOME": str(home),
        "ETL_LAST_DAY": "2024-01-04",
        "ETL_WAREHOUSE_WAIT_SECONDS": "1",
        "DATABASE_URL": postgres.url("errors_shop"),
        "DATABASE_URL_BILLING": postgres.url("errors_shop"),
        "DAGSTER_POSTGRES_URL": postgres.url("errors_dagster"),
        "WAREHOUSE_URL": f"duckdb://{file}",
    }
    made = Place(Commands(environment), home, file, postgres.url)
    done = made.commands.etl_assets(*ONE_DAY)
    assert done.code == 0, done.err
    assert len(made.published()[0]) > 5
    return made


@pytest.fixture
def refused(place: Place) -> Iterator[Callable[..., Outcome]]:
    """Runs a command that must fail in one message, without a trace, a secret or a change."""
    before = place.published()
    outcomes: list[Outcome] = []

    def attempt(*arguments: str, says: list[str], **changes: Any) -> Outcome:
        outcome = place.commands.etl_assets(*(arguments or ONE_DAY), **changes)
        outcomes.append(outcome)
        everything = outcome.out + outcome.err
        assert outcome.code not in (0, None), everything
        for words in says:
            assert words in outcome.message, outcome.err
        assert len(re.findall("^error: ", outcome.err, re.MULTILINE | re.IGNORECASE)) == 1, (
            outcome.err
        )
        assert "Traceback" not in everything
        assert 'File "' not in everything
        assert CANARY not in everything
        return outcome

    yield attempt
    assert outcomes, "nothing was attempted"
    assert place.published() == before
    assert [path.name for path in (place.home / "spool").iterdir()] == []


def test_a_missing_source_table(place: Place, refused: Any, postgres: Any) -> None:
    postgres.ensure_database("errors_empty")
    refused(
        DATABASE_URL=place.urls("errors_empty"),
        says=['relation "public.orders" does not exist', "create the table"],
    )


def test_an_unreachable_server(refused: Any) -> None:
    refused(
        DATABASE_URL=f"postgresql://shop:{CANARY}@127.0.0.1:1/shop",
        says=["could not be reached", "Check that the server of DATABASE_URL runs"],
    )


def test_a_wrong_password(place: Place, refused: Any, postgres: Any) -> None:
    url = place.urls("errors_shop")
    run(url, "DROP ROLE IF EXISTS errors_reader", "CREATE ROLE errors_reader LOGIN PASSWORD 'x'")
    access = postgres.data_dir / "pg_hba.conf"
    old = access.read_text()
    access.write_text("local all errors_reader scram-sha-256\n" + old)
    try:
        run(url, "SELECT pg_reload_conf()")
        refused(
            DATABASE_URL=url.replace("postgres:@", f"errors_reader:{CANARY}@"),
            says=["28P01", "Check the user and the password in DATABASE_URL"],
        )
    finally:
        access.write_text(old)
        run(url, "SELECT pg_reload_conf()")


def test_m11_a_wrong_password_of_dagsters_database_is_one_message(
    place: Place, refused: Any, postgres: Any
) -> None:
    url = place.urls("errors_dagster")
    run(url, "DROP ROLE IF EXISTS errors_runs", "CREATE ROLE errors_runs LOGIN PASSWORD 'x'")
    access = postgres.data_dir / "pg_hba.conf"
    old = access.read_text()
    access.write_text("local all errors_runs scram-sha-256\n" + old)
    try:
        run(url, "SELECT pg_reload_conf()")
        refused(
            DAGSTER_POSTGRES_URL=url.replace("postgres:@", f"errors_runs:{CANARY}@"),
            says=["28P01", "password in DAGSTER_POSTGRES_URL", "database errors_dagster"],
        )
    finally:
        access.write_text(old)
        run(url, "SELECT pg_reload_conf()")


def test_m11_dagsters_database_out_of_reach_is_named(refused: Any) -> None:
    refused(
        DAGSTER_POSTGRES_URL=f"postgresql://u:{CANARY}@127.0.0.1:1/runs",
        says=["Dagster's own database at 127.0.0.1:1, database runs, could not be reached"],
    )


@pytest.mark.parametrize("folder", ["/proc/etl", "/dev/null/etl"])
def test_m2_a_data_folder_that_cannot_be_made(refused: Any, folder: str) -> None:
    refused(ETL_HOME=folder, says=[folder, "cannot be used", "ETL_HOME"])


def test_m11_an_option_that_is_none(refused: Any, place: Place) -> None:
    url = place.urls("errors_shop") + "&foo=bar"
    refused(DATABASE_URL=url, says=["DATABASE_URL has an option", "(foo)"])


def test_m11_a_damaged_warehouse_file(place: Place, refused: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "w.duckdb"
    sound = place.file.read_bytes()
    damaged.write_bytes(sound[:12288] + b"\0" * (len(sound) - 12288))
    for arguments in (ONE_DAY, ("status",)):
        refused(*arguments, WAREHOUSE_URL=f"duckdb://{damaged}", says=["is damaged", str(damaged)])


def test_a_database_that_is_not_there(place: Place, refused: Any) -> None:
    refused(
        DATABASE_URL=place.urls("errors_nowhere"),
        says=["SQLSTATE 3D000", "Check the database's name in DATABASE_URL"],
    )


def test_a_contract_that_does_not_fit(place: Place, refused: Any, postgres: Any) -> None:
    postgres.ensure_database("errors_changed")
    url = place.urls("errors_changed")
    fill_shop(url, days=2, orders_a_day=3)
    run(url, "ALTER TABLE orders ALTER COLUMN total_cents TYPE text")
    refused(DATABASE_URL=url, says=["total_cents", "contract"])


def _hold_file(signs: Path, file: Path) -> None:
    with duckdb.connect(str(file)):
        hold(signs)


@pytest.mark.thorough_but("status")
@pytest.mark.parametrize("arguments", [ONE_DAY, ("status",)], ids=["backfill", "status"])
def test_l4_a_locked_warehouse_file(
    place: Place, refused: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with holding(_hold_file, tmp_path / "signs", place.file) as holder:
        refused(
            *arguments,
            says=["is held by", f"{holder.pid}", "waited 1 s", "ETL_WAREHOUSE_WAIT_SECONDS"],
        )


def test_a_full_disk_for_the_spool(refused: Any) -> None:
    refused(limit=1500, says=["No space is left", "/spool/", "point ETL_HOME at a larger disk"])


def test_a_full_disk_for_a_new_warehouse(refused: Any, tmp_path: Path) -> None:
    refused(
        limit=11_000,
        WAREHOUSE_URL=f"duckdb://{tmp_path}/new.duckdb",
        says=["No space is left", str(tmp_path), "Free some space"],
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.thorough
def test_a_full_disk_for_a_warehouse_that_has_days(
    place: Place, refused: Any, small_disk: Path
) -> None:
    file = small_disk / "w.duckdb"
    url = f"duckdb://{file}"
    assert place.commands.etl_assets(*ONE_DAY, WAREHOUSE_URL=url).code == 0
    there = Place(place.commands, place.home, file, place.urls)
    before = there.published()
    _fill_up(small_disk / "full")
    refused(WAREHOUSE_URL=url, says=["No space is left", str(small_disk), "Free some space"])
    (small_disk / "full").unlink()
    assert there.published() == before


def _fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 1024):
                pass
        except OSError:
            return


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "2030-01-01"), ["2030-01-01 is not a partition yet", "2024-01-04 or before"]),
        (("--from", "yesterday"), ["'yesterday' is not a day", "YYYY-MM-DD"]),
        (("raw/order",), ["There is no table raw/order.", "Did you mean raw/orders?"]),
    ],
)
def test_a_day_or_a_table_that_is_not_there(
    refused: Any, arguments: tuple[str, ...], says: list[str]
) -> None:
    refused("backfill", *arguments, says=says)


@pytest.mark.parametrize(
    ("name", "value", "says", "arguments"),
    [
        ("DATABASE_URL", f"postgresql://u:{CANARY}@x@h/shop", "%40", ONE_DAY),
        ("DAGSTER_POSTGRES_URL", f"postgresql://u:{CANARY}%zz@h/dagster", "%25", ONE_DAY),
        ("WAREHOUSE_URL", f"mysql://u:{CANARY}@h/shop", "duckdb:////path/to/", ["status"]),
        ("WAREHOUSE_URL", f"duckdb://u:{CANARY}@h/w.duckdb", "duckdb:////path/to/", ["status"]),
        ("ETL_WAREHOUSE_WAIT_SECONDS", CANARY, "not a number of seconds", ["status"]),
    ],
)
def test_a_malformed_setting_is_named_and_never_quoted(
    refused: Any, name: str, value: str, says: str, arguments: Sequence[str]
) -> None:
    refused(*arguments, **{name: value}, says=[name, says])


@pytest.mark.thorough
def test_a_message_has_no_class_names(place: Place) -> None:
    done = place.commands.etl_assets(*ONE_DAY, DATABASE_URL="nonsense")
    assert "error: DATABASE_URL is not a PostgreSQL URL." in done.message, done.err


def test_no_secret_is_in_the_data_folder_or_in_dagsters_database(place: Place) -> None:
    """Runs last in this module: over all that the failures before have left."""
    files = [path for path in place.home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
    with psycopg.connect(place.urls("errors_dagster")) as connection:
        tables = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            query = f"SELECT count(*), count(*) FILTER (WHERE t::text LIKE %s) FROM {table} AS t"
            rows, found = connection.execute(query.encode(), [f"%{CANARY}%"]).fetchone() or (0, 0)
            assert found == 0, table
            assert rows or table != "event_logs"
