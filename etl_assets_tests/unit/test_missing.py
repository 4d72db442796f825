"""What the end of a run says about skipped tests, and what CI makes of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from etl_assets_tests.missing import lacking, told_of

REPOSITORY = Path(__file__).parents[2]
BOUNCER = "PgBouncer is not installed (apt-get install pgbouncer)"
DISK = "only root may mount a small disk"


def test_the_line_counts_each_reason_and_says_what_to_install() -> None:
    assert told_of([DISK, BOUNCER, BOUNCER]) == (f"3 tests were skipped. 2: {BOUNCER}; 1: {DISK}.")
    assert told_of([DISK]) == f"1 test was skipped. 1: {DISK}."
    assert told_of([]) == ""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_what_is_not_installed_skips_a_test_and_in_ci_fails_it(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"^PgBouncer is not .* \(apt-get install pgbouncer\)$"):
        lacking("PgBouncer is not installed", "apt-get install pgbouncer")


def test_it_is_the_last_thing_that_a_run_says(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from etl_assets_tests.missing import lacking\n"
        "def test_one():\n    lacking('no server', 'apt-get install server')\n"
        "def test_two():\n    lacking('no server', 'apt-get install server')\n"
        "def test_three():\n    pass\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "etl_assets_tests.run_summary"),
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    told = "2 tests were skipped. 2: no server (apt-get install server)."
    *_, line, totals = done.stdout.splitlines()
    assert (line, totals.split(" in ")[0]) == (told, "1 passed, 2 skipped")
