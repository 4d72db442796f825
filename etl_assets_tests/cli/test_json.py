"""`--json`: every command that prints has it, and its stdout is one JSON document."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from etl_assets.cli import output
from etl_assets.cli.main import main
from etl_assets_tests.cli.conftest import Shop

WITHOUT_JSON = {
    "init": "it writes files, and says what to type next",
    "completion": "it prints a script",
    "demo": "a walk for people: etl-assets status --json has its table",
    "demo drop": "a part of that walk",
    "demo send": "a part of that walk",
    "dev": "it serves until Ctrl-C",
    "webhook serve": "it serves until Ctrl-C",
    "stop": "it prints one sentence of the embedded server",
}
"""Commands without `--json`, each with the reason."""

READING: list[Sequence[str]] = [
    ("status",),
    ("doctor", "raw/orders", "raw/countries"),
    ("dictionary",),
    ("quarantine", "list"),
    ("quarantine", "show", "raw/orders"),
    ("state", "show", "raw/orders"),
    ("state", "history", "raw/orders"),
    ("files", "list", "raw/shipments"),
    ("fields", "list", "raw/customers"),
    ("migrate",),
    ("docs",),
    ("sync", "raw/orders", "--no-derive"),
]
"""Commands that a shop with two days of orders can run, without their `--json`."""


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
            if not command.invoke_without_command:
                continue
        yield f"{before}{name}", command


def has_json(command: click.Command) -> bool:
    return any("--json" in option.opts for option in command.params)


def test_every_command_has_json_or_a_reason() -> None:
    found = {name for name, command in commands(main) if not has_json(command)}
    # Commands of others that are made of these parts bring their own.
    assert found == set(WITHOUT_JSON)


def test_only_the_seam_prints_tables() -> None:
    """A command that drew a table by itself would have one that JSON does not know."""
    folder = Path(output.__file__).parent
    for path in folder.glob("*.py"):
        names = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert "rich.table" not in names or path.name == "output.py", path


@pytest.mark.thorough_but("doctor", "fields", "quarantine", "status")
@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_stdout_is_one_document_and_messages_are_on_stderr(
    shop: Shop, tmp_path: Path, arguments: Sequence[str]
) -> None:
    more = ["--out", str(tmp_path)] if arguments[0] == "docs" else []
    done = shop.run(*arguments, *more, "--json")
    assert done.exit_code in (0, 1), done.output
    told = json.loads(done.stdout)
    assert isinstance(told, list | dict)
    plain = shop.run(*arguments, *more)
    if isinstance(told, list) and told and isinstance(told[0], dict):
        named = [row["table"] for row in told if "table" in row]
        assert all(name in plain.stdout for name in named)


def moments_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if isinstance(one, str) and name in ("high_watermark", "updated_at", "at"):
                yield one
            yield from moments_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from moments_in(one)


def test_moments_are_iso_in_utc_and_numbers_are_numbers(shop: Shop) -> None:
    told = json.loads(shop.run("status", "--json").stdout)
    (line,) = told["published"]
    assert isinstance(line["rows"], int)
    moments = list(moments_in(told))
    assert moments
    for one in moments:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", one)


def test_a_document_holds_every_value_that_a_row_may_have() -> None:
    berlin = datetime(2024, 1, 1, 1, tzinfo=UTC).astimezone()
    told = output.as_json(
        {
            date(2024, 1, 1): [berlin, timedelta(minutes=1), Decimal("1.10"), b"\x01"],
            "odd": {"b", "a"},
            "no number": float("nan"),
            "yes": True,
            "none": None,
        }
    )
    assert told == {
        "2024-01-01": ["2024-01-01T01:00:00+00:00", 60.0, "1.10", "01"],
        "odd": ["a", "b"],
        "no number": "nan",
        "yes": True,
        "none": None,
    }
    json.dumps(told, allow_nan=False)


def test_an_error_leaves_stdout_empty_or_whole(shop: Shop) -> None:
    wrong = shop.run("status", "--json", WAREHOUSE_URL="nothing://here")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "error:" in wrong.stderr
    away = shop.run(
        "doctor", "raw/orders", "--json", DATABASE_URL="postgresql://u:pw@127.0.0.1:1/x"
    )
    assert away.exit_code == 1
    (line,) = json.loads(away.stdout)["tables"]
    assert line["can_be_read"] is False
    assert "could not be reached" in line["error"]
    assert "pw" not in away.stdout
