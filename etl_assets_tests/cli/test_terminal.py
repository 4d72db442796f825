"""What a terminal gets: colours and bars only where they can be shown, on a real pty."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from etl_assets.cli.terminal import color_choice

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
PROGRAM = """
import time
import click
from etl_assets.cli import progress
from etl_assets.cli.main import Commands
from etl_assets.cli.output import print_warning, tell
from etl_assets.core.meter import METER
progress.PAUSE = progress._FIRST_PAUSE = 0.05

@click.command()
def work():
    with progress.progress("day", 3, "starting", done="Loaded") as shown:
        for day in range(3):
            METER.count(1_000, 2_000_000)
            shown.on_day("raw/orders", None, True)
            time.sleep(0.12)
    print_warning("careful")
    tell("said")

class Main(Commands):
    def get_command(self, context, name):
        return work

Main("main")(["work"])
"""


def on_a_terminal(program: str, **changes: str) -> str:
    """What a terminal is sent by the program, its stdout and stderr together."""
    master, slave = pty.openpty()
    try:
        done = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=clean(**changes),
        )
        os.close(slave)
        slave = -1
        told = b""
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            told += part
        assert done.wait(timeout=60) == 0, told.decode()
        return told.decode()
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def clean(**changes: str) -> dict[str, str]:
    ours = ("NO_COLOR", "FORCE_COLOR", "CI", "TERM", "COLUMNS", "CLICOLOR")
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "TERM": "xterm-256color",
        "COLUMNS": "100",
        **changes,
    }


def test_a_terminal_gets_a_bar_with_rows_and_speed_and_one_last_line() -> None:
    told = on_a_terminal(PROGRAM)
    assert "\x1b[" in told
    plain = ESCAPE.sub("", told)
    assert re.search(r"raw/orders .*of 3 days.*rows \([\d,]+ a second, [\d.,]+ MB/s\)", plain)
    last = [line for line in plain.splitlines() if line.startswith("Loaded")]
    assert len(last) == 1
    assert re.fullmatch(
        r"Loaded after 0:00:0\d: 3 of 3 days, 3,000 rows \([\d,]+ a second, [\d.,]+ MB/s\)\.",
        last[0].strip(),
    )


@pytest.mark.parametrize(
    "changes", [{"TERM": "dumb"}, {"CI": "true"}, {"CI": "1", "TERM": "xterm"}]
)
def test_where_nothing_can_be_drawn_again_there_are_sparse_plain_lines(
    changes: Mapping[str, str],
) -> None:
    told = on_a_terminal(PROGRAM, **changes)
    assert not ESCAPE.search(told)
    lines = told.splitlines()
    assert 1 <= sum(line.startswith("0:00:0") for line in lines) <= 9
    assert sum(line.startswith("Loaded after") for line in lines) == 1


def test_no_color_keeps_the_bar_and_takes_the_colours() -> None:
    told = on_a_terminal(PROGRAM, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", told), "no colour, and no bold"
    assert "warning: careful" in told
    assert "of 3 days" in told


def test_a_pipe_gets_no_colours_unless_they_are_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=clean(), capture_output=True, text=True, check=True
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout == "said\n", "progress and warnings go to stderr"
    program = "from etl_assets.cli.main import main; main(['sync', '--help'])"
    forced = subprocess.run(
        [sys.executable, "-c", program + ""],
        env=clean(FORCE_COLOR="1"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage" in forced.stdout


@pytest.mark.parametrize(
    ("environment", "choice"),
    [
        ({}, None),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"TERM": "dumb"}, False),
        ({"CI": "true"}, False),
        ({"CI": "false"}, None),
        ({"CI": "true", "FORCE_COLOR": "3"}, True),
    ],
)
def test_which_variable_wins(environment: Mapping[str, str], choice: bool | None) -> None:
    assert color_choice(environment) is choice


@pytest.mark.parametrize(
    ("changes", "has"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": "1"}, False)]
)
def test_errors_and_tables_follow_them_through_a_pipe(
    changes: Mapping[str, str], has: bool
) -> None:
    program = """
from etl_assets.cli.main import main
main(["status"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean(WAREHOUSE_URL="nothing://here", **changes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert ("\x1b[" in done.stderr) is has
