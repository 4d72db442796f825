"""An environment in the real UI: the same assets, a backfill into it, production as it was."""

import textwrap
from pathlib import Path

import duckdb
import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.cli.test_changing_tables import PACKAGES
from etl_assets_tests.e2e.dagster_ui import running_dev
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

pytestmark = pytest.mark.soak

NODES = "{ assetNodes { assetKey { path } } }"
STATES = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  schedules { scheduleState { status } } sensors { name sensorState { status } } } } } }"""


def test_a_backfill_in_the_ui_of_an_environment_goes_to_the_environment(
    database_url: str, tmp_path: Path
) -> None:
    for name, text in PACKAGES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "parcels.py").write_text(textwrap.dedent(text))
    run(
        database_url,
        "CREATE TABLE parcels (id bigint PRIMARY KEY, mail text NOT NULL, amount bigint NOT NULL, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        "INSERT INTO parcels SELECT n, 'a@b.c', 50, timestamptz '2024-01-01Z' + n % 2 * "
        "interval '1 day', '2024-01-05Z' FROM generate_series(1, 4) n",
    )
    environment = {
        "DATABASE_URL": database_url,
        "ETL_TABLES": "parcels_now",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_FIRST_DAY": "2024-01-01",
        "ETL_LAST_DAY": "2024-01-02",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        done = Shop(database_url, tmp_path, environment).run("sync")
    assert done.exit_code == 0, done.output
    file = tmp_path / "warehouse.duckdb"
    before = file.read_bytes()
    dev = {"ETL_ENV": "dev", "ETL_TABLES": "parcels_next", "PYTHONPATH": str(tmp_path)}
    with running_dev(tmp_path, {**environment, **dev}) as ui:
        keys = {"/".join(one["assetKey"]["path"]) for one in ui.ask(NODES)["assetNodes"]}
        assert keys == {"source/parcels", "raw/parcels", "staged/parcels"}
        (there,) = ui.ask(STATES)["repositoriesOrError"]["nodes"]
        states = [one["scheduleState"]["status"] for one in there["schedules"]]
        states += [
            one["sensorState"]["status"]
            for one in there["sensors"]
            if one["name"] != "run_retention"  # of Dagster's own runs
        ]
        assert set(states) == {"STOPPED"}
        done_there = ui.finished_backfill(ui.launch_backfill(["staged/parcels"], ["2024-01-01"]))
        assert done_there["staged/parcels"] == (1, 0), done_there
    assert file.read_bytes() == before
    with duckdb.connect(str(tmp_path / "warehouse.dev.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT id, size FROM staged.parcels ORDER BY id").fetchall()
    assert rows == [(2, "L"), (4, "L")]
