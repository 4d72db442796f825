"""A project that `etl-assets init` wrote, used by `dg`, by its own tests and by `etl-assets`.

It is the installed program in the environment of the tests; a fresh environment is
`test_strangers_path.py`.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl_assets_tests.e2e.command import PROGRAMS, Commands, Outcome
from etl_assets_tests.source_tables import run

pytestmark = pytest.mark.thorough  # the default run has `test_strangers_path.py`

PAYMENTS = """\
type: etl_assets.SourceTable

attributes:
  name: payments
  description: One row a payment.
  postgres:
    table: payments
  key: [id]
  partition_column: created_at
  cursor_column: updated_at
  thresholds: {max_bad_share: 0.1}
  columns:
    - {name: id, type: int64, ge: 1}
    - {name: method, type: string, isin: [card, transfer]}
    - {name: created_at, type: timestamp}
    - {name: updated_at, type: timestamp}
"""


@dataclass(frozen=True)
class Project:
    folder: Path
    commands: Commands

    def run(self, program: str, *arguments: str) -> Outcome:
        return self.commands._run([str(PROGRAMS / program), *arguments], {})

    @property
    def yaml(self) -> Path:
        return self.folder / "my_company" / "tables" / "payments" / "defs.yaml"


@pytest.fixture(scope="module")
def project(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A new project, with a database that has payments, and a YAML table of them."""
    folder = tmp_path_factory.mktemp("stranger")
    for name in ("own_project", "own_project_dagster"):
        postgres.ensure_database(name)
    url = postgres.url("own_project")
    run(
        url,
        "CREATE TABLE payments (id bigint PRIMARY KEY, method text NOT NULL, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        "CREATE INDEX ON payments (updated_at, id)",
        "INSERT INTO payments SELECT n, CASE WHEN n = 7 THEN 'cash' ELSE 'card' END, "
        "'2024-01-01Z'::timestamptz + n * '1 hour'::interval, "
        "'2024-01-01Z'::timestamptz + n * '1 hour'::interval FROM generate_series(1, 1000) n",
    )
    variables = {"PYTHONPATH": ""}
    made = Commands(variables, folder, installed=True).etl_assets("init", "My company")
    assert made.code == 0, made.err
    place = folder / "My company"
    (place / ".env").write_text(
        f"DATABASE_URL={url}\nDAGSTER_POSTGRES_URL={postgres.url('own_project_dagster')}\n"
        "ETL_FIRST_DAY=2024-01-01\nETL_LAST_DAY=2024-02-11\n"
    )
    commands = Commands(variables, place, installed=True)
    scaffolded = Project(place, commands).run(
        "dg", "scaffold", "defs", "etl_assets.SourceTable", "payments"
    )
    assert scaffolded.code == 0, scaffolded.err
    return Project(place, commands)


@pytest.fixture(autouse=True)
def good_yaml(project: Project) -> Iterator[None]:
    yield
    project.yaml.write_text(PAYMENTS)


def test_what_dg_scaffolds_is_a_table_that_loads(project: Project) -> None:
    checked = project.run("dg", "check", "yaml")
    assert checked.code == 0, checked.out + checked.err
    known = project.commands.etl_assets("dictionary")
    assert "staged/payments" in known.out, known.err


def test_dg_checks_and_lists_tables_in_python_and_in_yaml(project: Project) -> None:
    checked = project.run("dg", "check", "defs")
    assert checked.code == 0, checked.out + checked.err
    listed = project.run("dg", "list", "defs", "--json")
    assert listed.code == 0, listed.err
    keys = {one["asset_key"] for one in json.loads(listed.out[listed.out.index("{") :])["assets"]}
    assert keys >= {f"{layer}/{t}" for layer in ("raw", "staged") for t in ("schemas", "payments")}
    assert not [key for key in keys if "orders" in key]
    components = project.run("dg", "list", "components")
    assert "etl_assets.SourceTable" in components.out, components.err


@pytest.mark.parametrize(
    ("old", "new", "command", "told"),
    [
        ("type: int64", "type: int46", ("dg", "check", "yaml"), "'int46' does not match"),
        ("  key: [id]\n", "", ("dg", "check", "yaml"), "'key' is a required property"),
        ("cursor_column: up", "cursor_column: upp", ("dg", "check", "defs"), "line 10: cursor_"),
        ("cursor_column: up", "cursor_column: upp", ("etl-assets", "doctor"), "line 10: cursor_"),
        ("isin: [card", "isin: [5", ("etl-assets", "status"), "line 14: columns[1].isin: 5 is no"),
    ],
)
def test_what_is_wrong_with_the_yaml_is_told_with_file_and_line(
    project: Project, old: str, new: str, command: tuple[str, ...], told: str
) -> None:
    assert old in PAYMENTS
    project.yaml.write_text(PAYMENTS.replace(old, new))
    done = project.run(*command)
    said = " ".join((done.out + done.err).split())
    assert told in said
    assert "payments/defs.yaml" in said
    assert "Traceback" not in said
    assert (done.code != 0) == (command != ("etl-assets", "status"))


def test_its_own_tests_pass_and_fail_for_a_table_that_is_wrong(project: Project) -> None:
    def tests() -> Outcome:
        return project.commands._run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], {})

    project.yaml.write_text(PAYMENTS)
    done = tests()
    assert done.code == 0, done.out
    assert "5 passed" in done.out
    project.yaml.write_text(PAYMENTS.replace("int64", "int46"))
    broken = tests()
    assert broken.code != 0
    assert "columns[0].type: 'int46' is no type" in broken.out


def test_the_command_line_loads_syncs_and_shows_both(project: Project) -> None:
    project.yaml.write_text(PAYMENTS)
    doctor = project.commands.etl_assets("doctor")
    assert doctor.code == 0, doctor.err
    loaded = project.commands.etl_assets("backfill")
    assert loaded.code == 0, loaded.err
    with duckdb.connect(str(project.folder / ".etl" / "warehouse.duckdb"), read_only=True) as made:
        assert made.execute("SELECT count(*) FROM staged.payments").fetchone() == (999,)
        assert made.execute("SELECT count(*) FROM staged.schemas").fetchone() != (0,)
    synced = project.commands.etl_assets("sync")
    assert "raw/payments" in synced.out, synced.err
    status = project.commands.etl_assets("status")
    for name in ("payments", "schemas"):
        assert f"staged/{name}" in status.out


@pytest.mark.soak
def test_dg_launches_a_day(project: Project) -> None:
    project.yaml.write_text(PAYMENTS)
    done = project.run("dg", "launch", "--assets", "raw/payments", "--partition", "2024-01-05")
    assert done.code == 0, done.out + done.err
