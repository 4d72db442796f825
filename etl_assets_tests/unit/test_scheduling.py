"""Which tests the default run leaves to the longer ones, and which stay together."""

import subprocess
import sys
from pathlib import Path

import pytest

from etl_assets_tests.scheduling import stays_with

REPOSITORY = Path(__file__).parents[2]
HOOK = """
from etl_assets_tests.scheduling import sort_out
def pytest_collection_modifyitems(items): sort_out(items)
"""
SUITE = """
import pytest
pytestmark = [pytest.mark.soak_for("bigquery"), pytest.mark.thorough_for("two")]

@pytest.mark.thorough_for("postgres")
@pytest.mark.parametrize("on", ["duckdb", "postgres", "bigquery", "two"])
def test_all(on): pass

@pytest.mark.soak_for("postgres")
@pytest.mark.thorough_for("duckdb")
@pytest.mark.parametrize("on", ["duckdb", "postgres", "bigquery", "two"])
def test_own(on): "What the module names is no matter of it."

@pytest.mark.share
@pytest.mark.parametrize("on", ["duckdb", "bigquery", "two"])
def test_share(on): pass

@pytest.mark.thorough_but("postgres", "duckdb")
@pytest.mark.parametrize("on", ["duckdb", "bigquery", "two"])
def test_few(on): pass

def test_bigquery_is_no_case(): pass
"""
DEFAULT = {"test_all[duckdb]", "test_all[two]", "test_share[duckdb]", "test_share[bigquery]"}
DEFAULT |= {"test_bigquery_is_no_case", "test_own[bigquery]", "test_own[two]", "test_few[duckdb]"}
THOROUGH = {"test_all[postgres]", "test_own[duckdb]", "test_share[two]", "test_few[two]"}


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("not soak and not thorough", DEFAULT),
        ("thorough and not soak", THOROUGH),
        ("soak", {"test_all[bigquery]", "test_own[postgres]", "test_few[bigquery]"}),
    ],
)
def test_each_case_is_in_one_of_the_runs(tmp_path: Path, chosen: str, found: set[str]) -> None:
    (tmp_path / "conftest.py").write_text(HOOK)
    (tmp_path / "test_it.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-m", chosen, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    collected = {line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line}
    assert collected == found, done.stdout + done.stderr


def test_modules_that_share_what_is_long_to_make_stay_together() -> None:
    together, alone = "etl_assets_tests/orchestration", "etl_assets_tests/sync/test_one.py"
    assert stays_with(f"{together}/test_derive.py::test_one[a::b]") == together
    assert stays_with(f"{together}/test_graph.py::test_two") == together
    assert stays_with(f"{alone}::test_three") == alone
