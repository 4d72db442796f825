"""docs/events.md: what it says to try gives what it says, and it names every command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from etl_assets.cli.events import events
from etl_assets.config import child_environment
from etl_assets.events import shop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text()


@pytest.mark.soak  # eight commands and a server; test_archive_command.py has them in one process
def test_what_is_to_be_tried_gives_what_is_promised(tmp_path: Path) -> None:
    script = re.search(r"## Try it\n.*?```sh\n(.*?)```", PAGE, re.DOTALL)
    assert script
    command = f'etl-assets() {{ {sys.executable} -m etl_assets.cli "$@"; }}\n{script[1]}'
    environment = {
        name: value
        for name, value in child_environment(PYTHONPATH=str(ROOT)).items()
        if not name.startswith(("ETL_", "DATABASE_", "EVENTS_", "OBJECT_STORE_", "WAREHOUSE_"))
    }
    done = subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr
    assert "partner_files: 1 file read, 3 new, 0 known." in done.stdout
    assert re.search(r"^3 rows: 1 loaded, 1 superseded, 1 to be tried again\.$", done.stdout, re.M)
    assert "3 payloads archived in 1 object" in done.stdout
    assert "3 payloads of 1 object read, 0 of them landed" in done.stdout


def test_every_command_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `events (\w+)", PAGE, re.MULTILINE))

    assert named == set(events.commands)


def test_the_sources_are_those_of_the_shop() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    written: dict[str, object] = {}
    exec(code[1], written)

    assert written["SOURCES"] == shop.SOURCES
