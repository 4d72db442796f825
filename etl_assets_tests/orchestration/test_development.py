"""M7: `dev` and what it starts, with a program of the test's own in the place of `dagster dev`.

The real one, which takes minutes, is in `e2e/test_dev.py`.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from etl_assets.config import Settings
from etl_assets.orchestration.backfill import QUIET, home_instance
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.development import run_ui

SERVES = """
import http.server, json, os, pathlib, subprocess, sys
given = dict(cwd=os.getcwd(), home=os.environ["DAGSTER_HOME"], arguments=sys.argv[1:])
# A code server: it has no part in what a terminal or a signal says to its parent.
code_server = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
given["processes"] = [os.getpid(), code_server.pid]
pathlib.Path(os.environ["ETL_HOME"], "started.json").write_text(json.dumps(given))
port = int(sys.argv[sys.argv.index("--port") + 1])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
try:
    http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
except KeyboardInterrupt:
    pass
"""
FAILS = "import sys; sys.exit(7)"

Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a program in the place of the interpreter that `dagster dev` is started with."""

    def put(text: str) -> None:
        (tmp_path / "program.py").write_text(text)
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/program.py" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setattr("etl_assets.orchestration.development.sys.executable", str(python))

    return put


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a process outside the repository, in a folder with a file of Dagster's."""
    folder = tmp_path / "away"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    monkeypatch.chdir(folder)
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    settings = Settings(home=home)
    yield settings
    if (home / "started.json").exists():
        for pid in running(started(settings)["processes"]):
            psutil.Process(pid).kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def started(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((settings.home / "started.json").read_text())
    return found


def running(processes: list[int]) -> list[int]:
    return [
        pid
        for pid in processes
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_m7_a_signal_to_the_process_alone_ends_services_and_what_they_started(
    program: Program, away: Settings, number: signal.Signals
) -> None:
    program(SERVES)
    alive: list[list[int]] = []

    def announced() -> None:
        alive.append(running(started(away)["processes"]))
        os.kill(os.getpid(), number)

    def uncaught(*_: object) -> None:
        raise AssertionError(f"{number.name} was left to the process's own handler")

    own = signal.signal(number, uncaught)
    try:
        run_ui(away, free_port(), announced)
        assert signal.getsignal(number) is uncaught, "the handler from before is there again"
    finally:
        signal.signal(number, own)
    processes = started(away)["processes"]
    assert alive == [processes], "both were there when the port answered"
    assert running(processes) == []


def test_m7_no_url_is_announced_for_services_that_end_before_they_answer(
    program: Program, away: Settings
) -> None:
    program(FAILS)
    announced: list[bool] = []
    assert run_ui(away, free_port(), lambda: announced.append(True)) == 7
    assert announced == []


def test_m7_outside_the_repository_the_services_find_workspace_and_instance(
    program: Program, away: Settings
) -> None:
    program(SERVES)
    run_ui(away, free_port(), lambda: os.kill(os.getpid(), signal.SIGTERM))
    given = started(away)
    arguments = given["arguments"]
    workspace = Path(arguments[arguments.index("--workspace") + 1])
    assert workspace.is_absolute()
    assert workspace.is_file()
    # Dagster warns of a dagster.yaml in the working folder that is not the instance's.
    assert given["cwd"] == given["home"] == str(away.dagster_home)
    assert "InstanceStorage" in (away.dagster_home / "dagster.yaml").read_text()


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    context.log.debug("a line for nobody")
    context.log.info("a line for a person")


def test_m7_a_run_prints_no_debug_lines_unless_it_is_asked_to(
    away: Settings,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", database_url)
    monkeypatch.setenv("ETL_HOME", str(away.home))
    job = dg.GraphDefinition(name="any", node_defs=[work]).to_job()
    definitions = dg.Definitions.merge(build_definitions(away), dg.Definitions(jobs=[job]))
    printed = []
    with home_instance(away) as instance:
        for config in ({}, {"loggers": {"console": {"config": {"log_level": "DEBUG"}}}}, QUIET):
            capfd.readouterr()
            any_job = definitions.resolve_job_def("any")
            assert any_job.execute_in_process(instance=instance, run_config=config).success
            captured = capfd.readouterr()
            printed.append(captured.out + captured.err)
    assert ["a line for a person" in text for text in printed] == [True, True, False]
    assert [" DEBUG " in text for text in printed] == [False, True, False]
