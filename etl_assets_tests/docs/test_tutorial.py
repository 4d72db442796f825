"""The tutorial does what it says: somebody who types it sees what it shows."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from etl_assets_tests.docs.following import Reader, environment_of
from etl_assets_tests.docs.pages import DOCS, REPOSITORY, blocks_of

PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody who has installed the platform and the data; their PostgreSQL stops afterwards."""
    environment = environment_of(Path(sys.executable).parent, PYTHONPATH=str(REPOSITORY))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"127.0.0.1:{port}"
    elsewhere = {"127.0.0.1:3000": url, "etl-assets dev": f"etl-assets dev --port {port}"}
    yield Reader("docs/tutorial.md", tmp_path, environment, elsewhere)
    (loader,) = tmp_path.rglob("load_flights.py")
    command = [sys.executable, str(loader), "stop"]
    subprocess.run(command, env=environment, check=True, timeout=60)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_who_types_the_tutorial_sees_what_it_shows(reader: Reader) -> None:
    blocks = list(blocks_of(PAGE))
    reader.follow(blocks)
    assert sum(block.language == "sh" for block in blocks) > 20


@pytest.mark.thorough
def test_its_first_tables_are_loaded_as_it_says(reader: Reader) -> None:
    """The share of the default run: a database, a project, tables, and days that are checked."""
    ends = PAGE.count("\n", 0, PAGE.index("## 6. "))
    blocks = [*takewhile(lambda block: block.line < ends, blocks_of(PAGE))]
    assert len(blocks) > 12
    reader.follow(blocks)
