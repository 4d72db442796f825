"""`etl-assets files` on a table whose rows say their day."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets_tests.files.by_rows import good, lines
from etl_assets_tests.files.shipments import DAY, NEXT, THIRD, in_folder
from etl_assets_tests.files.test_files_command import Terminal
from etl_assets_tests.importable import importable

MODULE = "from etl_assets_tests.files.by_rows import BY_ROWS as TABLE\n"
A = "shipments/a.csv"
BAD = ("x", 1, "DHL", DAY)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    drop = tmp_path / "drop"
    with importable(tmp_path):
        yield Terminal(in_folder(drop), tmp_path, drop, MODULE)


def test_an_object_is_listed_as_new_until_it_is_read_and_then_on_each_of_its_days(
    terminal: Terminal,
) -> None:
    terminal.place.drop(A, lines(good(DAY), BAD, good(NEXT), good(DAY, 2)))
    (new,) = terminal.listed()
    assert (new["day"], new["status"], new["rows_read"]) == (None, "new", None)
    assert "— shipments/a.csv" in terminal.done("files", "list", "raw/shipments")
    replayed = terminal.done("files", "replay", "raw/shipments")
    assert "raw/shipments: 2 days loaded again." in replayed
    assert [(one["day"], one["status"], one["rows_read"]) for one in terminal.listed()] == [
        ("2024-05-17", "loaded", 3),
        ("2024-05-18", "loaded", 1),
    ]
    terminal.place.drop(A, lines(good(THIRD)))
    assert [(one["day"], one["status"]) for one in terminal.listed()] == [
        (None, "new"),
        ("2024-05-17", "changed"),
        ("2024-05-18", "changed"),
    ]
    assert terminal.run("backfill", "raw/shipments", "--to", "2024-05-19").exit_code == 1
    assert [(one["day"], one["status"]) for one in terminal.listed()] == [
        ("2024-05-17", "gone"),
        ("2024-05-18", "gone"),
        ("2024-05-19", "loaded"),
    ], "days that lose all their rows are refused until a person says that it is right"


@pytest.mark.thorough
def test_an_object_is_shown_with_each_of_its_days(terminal: Terminal) -> None:
    terminal.place.drop(A, lines(good(DAY), BAD, good(NEXT), good(NEXT, 2)))
    terminal.done("files", "replay", "raw/shipments")
    shown = json.loads(terminal.run("files", "show", "raw/shipments", A, "--json").stdout)
    assert [(one["day"], len(one["bad_lines"])) for one in shown] == [
        ("2024-05-17", 0),
        ("2024-05-18", 1),
    ]
    printed = terminal.done("files", "show", "raw/shipments", A)
    assert "day 2024-05-17" in printed
    assert 'a.csv" line 3: shipment_id' in printed
