"""`etl-assets events load`, `status` and `retry`: what they say, and what they leave."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tenacity
from click.testing import CliRunner, Result

from etl_assets.cli.main import main
from etl_assets.demo.server import start_postgres
from etl_assets.events.database import EventsDatabase
from etl_assets_tests.events.arrivals import Meant, fold
from etl_assets_tests.events.store import Store


@pytest.fixture
def command(store: Store, monkeypatch: pytest.MonkeyPatch) -> "Command":
    monkeypatch.setenv("EVENTS_DATABASE_URL", store.url)
    return Command()


class Command:
    """Commands in this process."""

    def __call__(self, *words: str) -> Result:
        done = CliRunner().invoke(main, ["events", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done


def test_events_are_loaded_once_and_counted(store: Store, command: Command) -> None:
    assert "Nothing is pending." in command("load", "--once").output
    arrivals = [
        Meant("a", received=1),
        Meant("A", "partner_files", received=2),
        Meant("b", received=90_000),
        Meant("c", is_broken=True),
    ]
    store.land(arrivals)
    done = command("load", "--once")
    assert "4 rows: 2 loaded, 1 superseded, 1 to be tried again." in done.output
    assert "1 row cannot be read and is quarantined." in done.output
    assert store.rows() == fold(arrivals)
    expected = {
        "received": 4,
        "unique": 2,
        "duplicates": 0,
        "superseded": 1,
        "late": 1,
        "quarantined": 1,
        "pending": 0,
    }
    told = json.loads(command("status", "--json").output)
    assert [one["source"] for one in told.pop("sources")] == ["partner_files", "shop_api"]
    assert told.pop("refused_files") == []
    assert told == expected
    shown = command("status").output
    assert all(name in shown for name in expected)


def test_what_landed_from_a_source_that_is_known_no_more_is_put_back(
    store: Store, command: Command
) -> None:
    store.land([Meant("c", "once_ours", is_broken=True)])
    command("load", "--once")
    assert command("retry", "--source", "once_ours").output.startswith("1 row")


def test_what_is_quarantined_is_put_back(store: Store, command: Command) -> None:
    store.land([Meant("c", is_broken=True)])
    command("load", "--once")
    told = command("retry", "--source", "partner_files").output
    assert told == "Nothing of partner_files is quarantined.\n"
    unknown = CliRunner().invoke(main, ["events", "retry", "--source", "nosuch"])
    assert unknown.exit_code == 1
    assert "There is no source of events 'nosuch', and nothing of one has landed." in unknown.stderr
    assert command("retry").output.startswith("1 row")
    assert json.loads(command("status", "--json").output)["pending"] == 1


@contextmanager
def loading(url: str) -> Iterator[subprocess.Popen[str]]:
    """`etl-assets events load` in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "etl_assets.cli", "events", "load"],
        env={**os.environ, "EVENTS_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def interrupted(loader: subprocess.Popen[str]) -> str:
    """What it said until Ctrl-C."""
    loader.send_signal(signal.SIGINT)
    output, _ = loader.communicate(timeout=30)
    assert "Traceback" not in output
    return output


def until_loaded(store: Store, number: int) -> None:
    until = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found != number),
        stop=tenacity.stop_after_delay(60),
        wait=tenacity.wait_fixed(0.05),
    )
    until(lambda: len(store.rows()))


def test_a_loader_goes_on_with_what_comes_until_it_is_interrupted(store: Store) -> None:
    with loading(store.url) as loader:
        for number in (1, 2):
            store.land([Meant(f"e{number}")])
            until_loaded(store, number)
        assert interrupted(loader).count("1 row: 1 loaded.") == 2


@pytest.mark.soak
def test_a_loader_waits_for_a_database_that_is_away_and_goes_on(tmp_path: Path) -> None:
    server = start_postgres(tmp_path / "server")
    url = server.url("postgres")
    server.stop(immediately=True)
    with loading(url) as loader:
        assert loader.stdout is not None
        assert "Waiting for it." in loader.stdout.readline()
        server = start_postgres(tmp_path / "server")
        try:
            database = EventsDatabase(url)
            database.make_ready()
            store = Store(url, database)
            store.land([Meant("a")])
            until_loaded(store, 1)
            database.close()
            interrupted(loader)
        finally:
            server.stop(immediately=True)
