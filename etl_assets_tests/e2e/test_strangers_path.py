"""A stranger's way from an empty folder to tables in the UI, by the commands of README.md alone.

The whole way, with a fresh environment and an installation from the registry, is `soak`; the
default run begins after the installation, in the environment of the tests.
"""

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from playwright.sync_api import expect

from etl_assets_tests.e2e.browser import open_page
from etl_assets_tests.e2e.command import PROGRAMS
from etl_assets_tests.e2e.dagster_ui import _free_port, wait_for
from etl_assets_tests.e2e.wheel import build
from etl_assets_tests.readme import commands_of
from etl_assets_tests.source_tables import run

pytestmark = pytest.mark.timeout(1800)

README = commands_of("README.md", "A project of your own")
INSTALLING = [line for line in README if "venv" in line or line.startswith("pip ")]
SETTING = [line for line in README if line.startswith("export DATABASE_URL=")]
OPENING = README[-1]
WORKING = [line for line in README[:-1] if line not in [*INSTALLING, *SETTING]]
ROWS = 500
_OF_INSTALLERS = re.compile(r"(?i)^(pip|uv|ssl|http|https|no|all|requests)_")


@pytest.fixture
def database(postgres: Any) -> str:
    """What the stranger has: a database with a table of orders."""
    name = "strangers"
    postgres.ensure_database(name)
    url = str(postgres.url(name))
    run(
        url,
        "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, total_cents bigint NOT NULL, "
        "status text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT n, n * 100, 'paid', now() - n * '1 hour'::interval, "
        f"now() - n * '1 hour'::interval FROM generate_series(1, {ROWS}) n ON CONFLICT DO NOTHING",
    )
    return url


def environment(folder: Path, database: str, programs: str) -> dict[str, str]:
    """What a shell of a stranger has: no variable of ours but the one that the README names."""
    kept = {name: text for name, text in os.environ.items() if _OF_INSTALLERS.match(name)}
    return {
        **kept,
        "PATH": programs,
        "HOME": str(folder),
        "DATABASE_URL": database,
        "LANG": "C.UTF-8",
    }


def type_in(lines: Sequence[str], folder: Path, variables: dict[str, str]) -> list[str]:
    """Type the lines into one shell, up to the first fault; each with the seconds that it took."""
    script = "set -e\n" + "\n".join(
        f'begun=$(date +%s.%N)\n{line}\necho "TOOK $(date +%s.%N) $begun" {shlex.quote(line)}'
        for line in lines
    )
    done = subprocess.run(
        ["bash", "-c", script + "\npwd\n"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stdout + done.stderr
    took = []
    for line in done.stdout.splitlines():
        if line.startswith("TOOK "):
            _, ended, begun, *words = line.split(" ")
            took.append(f"{float(ended) - float(begun):5.1f} s  {' '.join(words)}")
    return took


@contextmanager
def opened(folder: Path, variables: dict[str, str], before: Sequence[str]) -> Iterator[str]:
    """The UI that the last line of the README opens, on a free port; its address."""
    port, log = _free_port(), folder / "dev.log"
    line = "\n".join([*before, f"exec {OPENING} --port {port}"])
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", line], cwd=folder, env=variables, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "Dagster UI: " in log.read_text() or process.poll(), 240, f"see {log}")
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=100)
        for one in left:
            one.kill()
        process.wait()


def walk(folder: Path, variables: dict[str, str], before: Sequence[str]) -> None:
    """From the first command after the installation to the page in the browser."""
    begun = time.monotonic()
    took = type_in([*before, *WORKING], folder, variables)
    project = folder / "warehouse"
    with duckdb.connect(str(project / ".etl" / "warehouse.duckdb"), read_only=True) as made:
        names = made.execute("SELECT name FROM staged.schemas ORDER BY name").fetchall()
        orders = made.execute("SELECT count(*) FROM staged.orders").fetchone()
    assert ("public",) in names
    assert orders is not None
    assert 0 < orders[0] <= ROWS
    activating = [f"cd {shlex.quote(str(project))}"]
    if before:
        activating.insert(0, f". {shlex.quote(str(folder / '.venv/bin/activate'))}")
    page_begun = time.monotonic()
    with opened(folder, variables, activating) as url, open_page(url) as page:
        page.goto("/assets/staged/schemas")
        expect(page.get_by_text("One row a schema of the database.").first).to_be_visible()
        expect(page.get_by_text("Latest materialization").first).to_be_visible()
        took.append(f"{time.monotonic() - page_begun:5.1f} s  {OPENING}, until the page is there")
    print(*took, f"{(time.monotonic() - begun) / 60:.1f} minutes", sep="\n")


def test_the_readme_says_all_that_is_to_be_typed() -> None:
    assert [line.split()[0] for line in INSTALLING] == ["python3", "pip"]
    assert len(SETTING) == 1
    typed = " ".join(WORKING)
    for words in (
        "etl-assets init",
        "etl-assets add-table",
        "etl-assets backfill",
        "dg list defs",
        "pytest",
    ):
        assert words in typed
    assert OPENING.startswith("etl-assets dev")


def test_the_commands_after_the_installation_lead_to_the_page(
    database: str, tmp_path: Path
) -> None:
    variables = environment(tmp_path, database, f"{PROGRAMS}:{os.defpath}")
    walk(tmp_path, variables, before=[])


@pytest.mark.soak
def test_an_empty_folder_and_a_fresh_environment_lead_to_the_page(
    database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    wheel, _ = build(tmp_path / "built")
    shutil.copy(wheel, folder)
    python = Path(os.path.realpath(PROGRAMS / "python")).parent
    variables = environment(tmp_path, database, f"{python}:{os.defpath}")
    walk(folder, variables, before=INSTALLING)
