"""Completion in bash, zsh and fish: commands, options and tables, without any connection."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl_assets.cli.main import COMMANDS, main
from etl_assets_tests.e2e.command import PROGRAMS

VARIABLES = {"ETL_TABLES": "etl_assets.tables", "DATABASE_URL": "postgresql://nowhere.invalid/d"}


def completed(words: str, shell: str = "bash") -> list[str]:
    """What click answers a shell that asks for the last of these words."""
    typed = ["etl-assets", *words.split(" ")]
    environment = {
        "_ETL_ASSETS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(typed),
        "COMP_CWORD": typed[-1] if shell == "fish" else str(len(typed) - 1),
        **VARIABLES,
    }
    done = CliRunner().invoke(main, [], prog_name="etl-assets", env=environment)
    assert done.exit_code == 0, done.output
    return [line for line in done.output.splitlines() if line]


def test_commands_are_completed_without_importing_them() -> None:
    assert completed("") == [f"plain,{name}" for name in sorted(COMMANDS)]
    assert completed("ba") == ["plain,backfill"]


def test_options_are_completed() -> None:
    assert "plain,--from" in completed("backfill --f")
    assert "plain,--help" in completed("--h")


@pytest.mark.parametrize("command", ["backfill", "sync", "reconcile", "doctor", "quarantine show"])
def test_tables_are_completed_by_path_and_by_name(command: str) -> None:
    assert completed(f"{command} raw/ord") == ["plain,raw/order_items", "plain,raw/orders"]
    named = ["plain,raw/countries", "plain,staged/countries"]
    assert completed(f"{command} countr") == named


def test_other_shells_show_what_a_table_is() -> None:
    assert completed("sync raw/countr", "fish") == [
        "plain,raw/countries\tOne row a country. As the source has it."
    ]
    assert completed("sync raw/countr", "zsh")[:2] == ["plain", "raw/countries"]


def test_a_project_that_is_broken_completes_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIABLES, "ETL_TABLES", "no_such_package")
    assert completed("sync raw/") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_says_which_line_switches_it_on(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert f"_ETL_ASSETS_COMPLETE={shell}_source etl-assets" in done.output
    by_default = CliRunner().invoke(main, ["completion"], env={"SHELL": f"/usr/bin/{shell}"})
    assert by_default.output == done.output


def test_a_shell_that_nobody_names_is_asked_for() -> None:
    done = CliRunner().invoke(main, ["completion"], env={"SHELL": "/bin/tcsh"})
    assert done.exit_code == 2
    assert "Which shell do you use?" in done.output


def test_a_real_bash_completes_by_that_line(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    (line,) = [
        line
        for line in CliRunner().invoke(main, ["completion", "bash"]).output.splitlines()
        if not line.startswith("#")
    ]
    script = f"""
{line}
COMP_WORDS=(etl-assets sync raw/countr); COMP_CWORD=2
_etl_assets_completion etl-assets
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [bash, "--norc", "-c", script],
        env={**VARIABLES, "PATH": f"{PROGRAMS}:{os.defpath}", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("raw/countries\n", "")
