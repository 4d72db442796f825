"""`etl-assets files`, as a user types it, on tables of a package of one's own."""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from etl_assets.cli.main import main
from etl_assets_tests.files.shipments import DAY, NEXT, THIRD, Place, in_folder, key, lines
from etl_assets_tests.importable import importable

MODULE = "from etl_assets_tests.files.shipments import SPEC as TABLE\n"
ROW, BAD = (1, "1.500", "DHL"), ("x", "1", "UPS")


class Terminal:
    """Commands on a folder of objects, in this process, with a package of one module."""

    def __init__(self, place: Place, home: Path, folder: Path, module: str = MODULE) -> None:
        self.place = place
        package = home / "partners_tables"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "shipments.py").write_text(module)
        self.environment: dict[str, Any] = {
            "ETL_HOME": str(home / "home"),
            "ETL_TABLES": "partners_tables",
            "ETL_FIRST_DAY": "2024-05-17",
            "ETL_LAST_DAY": "2024-06-01",
            "OBJECT_STORE_URL": f"file://{folder}",
        }

    def run(self, *arguments: str) -> Result:
        others = {n: None for n in os.environ if n.startswith(("ETL_", "DATABASE_", "WAREHOUSE_"))}
        given = {**others, **self.environment}
        return CliRunner().invoke(main, list(arguments), env=given, catch_exceptions=False)

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self.run("files", "list", "raw/shipments", "--json").stdout
        )
        return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    drop = tmp_path / "drop"
    with importable(tmp_path):
        yield Terminal(in_folder(drop), tmp_path, drop)


def test_objects_are_listed_with_what_became_of_them(terminal: Terminal) -> None:
    place = terminal.place
    assert "has no objects" in terminal.done("files", "list", "raw/shipments")
    place.drop(key(DAY, "a.csv"), lines(ROW, BAD))
    place.drop(key(DAY, "cut.csv"), lines(ROW)[:-1])
    place.drop(key(NEXT, "b.csv"), lines(ROW))
    assert [one["status"] for one in terminal.listed()] == ["new", "new", "new"]
    loaded = terminal.run("backfill", "raw/shipments", "--to", "2024-05-18")
    assert loaded.exit_code == 0, loaded.output
    found = {one["object"]: one for one in terminal.listed()}
    assert (
        found[key(DAY, "a.csv")] | {"status": "loaded", "rows_read": 2, "rows_published": 1}
        == (found[key(DAY, "a.csv")])
    )
    assert found[key(DAY, "cut.csv")]["status"] == "refused"
    assert "no line end" in found[key(DAY, "cut.csv")]["error"]
    printed = terminal.done("files", "list", "raw/shipments")
    assert f"2024-05-17 {key(DAY, 'a.csv')} {len(lines(ROW, BAD))} loaded 2 1 1" in printed
    place.drop(key(NEXT, "b.csv"), lines(ROW, ROW))
    place.remove(key(DAY, "cut.csv"))
    place.drop(key(NEXT, "c.csv"), lines(ROW))
    assert [one["status"] for one in terminal.listed()] == ["loaded", "gone", "changed", "new"]
    only = terminal.done("files", "list", "raw/shipments", "--from", "2024-05-18")
    assert "a.csv" not in only


@pytest.mark.thorough
def test_an_object_that_broke_is_named_wherever_its_refused_day_is(terminal: Terminal) -> None:
    place, good = terminal.place, lines(*[ROW] * 20)
    broken = {
        key(DAY, "a.csv"): (good, good[:-1], "no line end"),
        key(NEXT, "b.csv"): (
            good,
            good.replace(b"DHL", b"Zo\xeb"),
            "line 2 is not in its declared encoding",
        ),
        key(THIRD, "c.csv.gz"): (gzip.compress(good), gzip.compress(good)[:-9], "gzip"),
    }
    for name, (whole, _, _) in broken.items():
        place.drop(name, whole)
    days = ["--from", str(DAY), "--to", str(THIRD)]
    terminal.done("backfill", "raw/shipments", *days)
    for name, (_, cut, _) in broken.items():
        place.drop(name, cut)
    failed = terminal.run("backfill", "raw/shipments", *days)
    assert failed.exit_code == 1
    backfill = " ".join(failed.stderr.split())
    (line,) = json.loads(terminal.run("status", "--json").stdout)["published"]
    status = " ".join(line["refused"].values())
    assert "no line end" in terminal.run("status").stderr
    assert "no line end" in terminal.done("plan", "raw/shipments")
    listed = {one["object"]: one for one in terminal.listed()}
    for name, (_, _, why) in broken.items():
        first = f"files_read (1 of 1 object cannot be trusted: {name}: "
        for where in (backfill, status, listed[name]["error"]):
            assert first in where
            reason, _, rest = where.partition(first)[2].partition("), ")
            assert why in reason, where
            assert rest.startswith("row_count_against_published (0 rows, 20 are published")
        assert listed[name]["status"] == "refused"
        assert why in terminal.done("files", "show", "raw/shipments", name)


@pytest.mark.thorough
def test_one_object_is_shown_with_its_bad_lines(terminal: Terminal) -> None:
    terminal.place.drop(key(DAY, "a.csv"), lines(ROW, BAD, (0, "1", "DHL")))
    terminal.place.drop(key(DAY, "b.csv"), lines(BAD, ROW, ROW, ROW))
    loaded = terminal.run("backfill", "raw/shipments", "--to", "2024-05-17")
    assert loaded.exit_code == 0, loaded.output
    shown = json.loads(
        terminal.run("files", "show", "raw/shipments", key(DAY, "a.csv"), "--json").stdout
    )
    assert (shown["status"], shown["rows_read"], shown["rows_quarantined"]) == ("loaded", 3, 2)
    assert len(shown["bad_lines"]) == 2
    assert "x,1,UPS" in "".join(line["raw"] for line in shown["bad_lines"])
    assert "bad line" in terminal.done("files", "show", "raw/shipments", key(DAY, "a.csv"))
    missing = terminal.run("files", "show", "raw/shipments", "nothing.csv")
    assert missing.exit_code == 2
    assert "etl-assets files list raw/shipments" in missing.stderr


@pytest.mark.thorough
def test_days_are_replayed_whatever_their_objects_are(terminal: Terminal) -> None:
    terminal.place.drop(key(DAY, "a.csv"), lines(ROW))
    first = terminal.done("files", "replay", "raw/shipments", "--to", "2024-05-20")
    assert "raw/shipments: 1 day loaded again." in first
    (before,) = terminal.listed()
    terminal.done("files", "replay", "raw/shipments")
    (after,) = terminal.listed()
    assert (before["status"], after["status"]) == ("loaded", "loaded")
    assert before["run_id"] != after["run_id"]
    assert before["first_seen"] == after["first_seen"]
    terminal.place.drop(key(date(2024, 5, 20), "a.csv"), lines(ROW))
    assert "2 days loaded again." in terminal.done("files", "replay", "raw/shipments")
    listed = terminal.done("status")
    assert "raw/shipments 2 2" in listed, "the days in between were not loaded"
    none = terminal.run("files", "replay", "raw/shipments", "--from", "2024-05-30")
    assert (none.exit_code, "has no object from 2024-05-30" in none.stderr) == (1, True)


def test_a_table_that_is_none_of_files_is_told(terminal: Terminal) -> None:
    wrong = terminal.run("files", "list", "staged/shipments")
    assert wrong.exit_code == 2
    assert "staged/shipments is not read from files" in wrong.stderr
    assert f"{terminal.environment['OBJECT_STORE_URL']}/shipments/" in terminal.done("doctor")
    compared = terminal.run("reconcile", "raw/shipments")
    assert compared.exit_code == 2
    assert "etl-assets files list raw/shipments" in compared.stderr


@pytest.mark.thorough
def test_days_are_forgotten_by_their_objects_or_by_their_dates(terminal: Terminal) -> None:
    for day in (DAY, NEXT):
        terminal.place.drop(key(day, "a.csv"), lines(ROW))
    nothing = terminal.run("files", "forget", "raw/shipments", "--from", "2024-05-17", "--yes")
    assert (nothing.exit_code, "nothing to forget" in nothing.stderr) == (1, True)
    terminal.done("files", "replay", "raw/shipments")
    unclear = terminal.run("files", "forget", "raw/shipments")
    assert (unclear.exit_code, "KEY …, or --from and --to" in unclear.stderr) == (2, True)
    unknown = terminal.run("files", "forget", "raw/shipments", "no.csv")
    assert (unknown.exit_code, "etl-assets files list raw/shipments" in unknown.stderr) == (2, True)
    asked = terminal.run("files", "forget", "raw/shipments", key(DAY, "a.csv"))  # no answer
    assert asked.exit_code == 1
    assert "1 day (2024-05-17) will be loaded again, from the 1 object of now." in asked.output
    assert [one["status"] for one in terminal.listed()] == ["loaded", "loaded"]
    terminal.place.remove(key(NEXT, "a.csv"))
    told = terminal.done("files", "forget", "raw/shipments", key(DAY, "a.csv"), "--yes")
    assert "1 day (2024-05-17) forgotten. new_files__shipments loads it again" in told
    assert [one["status"] for one in terminal.listed()] == ["forgotten", "gone"]
    assert "1 day forgotten by hand (2024-05-17)" in " ".join(terminal.run("status").stderr.split())
    terminal.done("files", "replay", "raw/shipments", "--to", "2024-05-17")
    assert [one["status"] for one in terminal.listed()] == ["loaded", "gone"]
    assert "forgotten" not in terminal.run("status").stderr
    ranged = terminal.done("files", "forget", "raw/shipments", "--from", "2024-05-17", "--yes")
    assert "2 days (2024-05-17, 2024-05-18) forgotten" in ranged


def test_a_module_is_proposed_that_loads_the_files_it_was_made_of(
    terminal: Terminal, tmp_path: Path
) -> None:
    for day in (DAY, NEXT):
        terminal.place.drop(f"prices/{day}.csv", b"sku;price\n007;1,50\n008;2,25\n")
    url = f"{terminal.environment['OBJECT_STORE_URL']}/prices"
    printed = terminal.run("files", "propose", url)
    assert printed.exit_code == 0, printed.output
    (tmp_path / "proposed_tables").mkdir()
    (tmp_path / "proposed_tables" / "__init__.py").touch()
    (tmp_path / "proposed_tables" / "prices.py").write_text(printed.stdout)
    terminal.environment["ETL_TABLES"] = "proposed_tables"
    terminal.done("backfill", "raw/prices", "--to", "2024-05-18")
    assert "raw/prices 2 4" in terminal.done("status")
    told = json.loads(terminal.run("files", "propose", url, "--json").stdout)
    assert told["module"] == printed.stdout
    assert (told["pattern"], told["location"]) == ("prices/{day:%Y-%m-%d}.csv", None)
    assert [c["dtype"] for c in told["columns"]] == ["String", "Decimal(precision=18, scale=2)"]
    nothing = terminal.run("files", "propose", str(tmp_path / "partners_tables" / "nothing"))
    assert nothing.exit_code == 1
    assert "Traceback" not in nothing.output


def test_f5_a_notification_is_kept_for_the_next_tick(terminal: Terminal, tmp_path: Path) -> None:
    told = terminal.done("files", "notify", "raw/shipments", key(DAY, "a.csv"), key(NEXT, "b.csv"))
    assert told == "raw/shipments: 2 keys for the sensor's next tick."
    event = tmp_path / "event.json"
    event.write_text('{"Records": []}')
    told = terminal.done("files", "notify", "raw/shipments", "--s3-event", str(event))
    assert "0 keys" in told
    event.write_text("no event")
    result = terminal.run("files", "notify", "raw/shipments", "--s3-event", str(event))
    assert result.exit_code == 1
    assert "no event of S3" in result.stderr
    (hint,) = (tmp_path / "home" / "hints" / "raw.shipments").iterdir()
    assert json.loads(hint.read_text()) == [key(DAY, "a.csv"), key(NEXT, "b.csv")]


@pytest.mark.thorough
def test_late_days_of_files_are_in_the_status_if_they_are_asked_for(terminal: Terminal) -> None:
    late = "raw/shipments: 1 day late, as their objects are new, changed or gone."
    place = terminal.place
    place.drop(key(DAY, "a.csv"), lines(ROW))
    assert late in " ".join(terminal.run("status", "--files").stderr.split())
    terminal.done("files", "replay", "raw/shipments")
    assert late not in terminal.run("status", "--files").stderr
    place.drop(key(DAY, "a.csv"), lines(ROW, ROW))
    assert late not in terminal.run("status").stderr
    result = terminal.run("status", "--files")
    assert late in " ".join(result.stderr.split())
    (told,) = json.loads(terminal.run("status", "--files", "--json").stdout)["published"]
    assert told["late_days"] == 1


STRICT = """
from dataclasses import replace

from etl_assets.core.checks import Severity
from etl_assets_tests.files.shipments import SPEC

TABLE = replace(
    SPEC, thresholds=replace(SPEC.thresholds, severities={"files_read": Severity.ERROR})
)
"""


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Terminal]:
    """A table of which one object that cannot be trusted keeps its whole day from being loaded."""
    drop = tmp_path / "drop"
    with importable(tmp_path):
        yield Terminal(in_folder(drop), tmp_path, drop, STRICT)


def test_a_refused_day_is_in_status_and_its_object_says_why(strict: Terminal) -> None:
    cut = key(DAY, "cut.csv")
    strict.place.drop(cut, lines(ROW)[:-1])
    refused = strict.run("backfill", "raw/shipments", "--to", "2024-05-18")
    assert refused.exit_code == 1
    assert f"files_read (1 of 1 object cannot be trusted: {cut}: " in refused.stderr
    told = strict.run("status")
    assert told.exit_code == 0
    assert "raw/shipments: refused 1 day" in told.stderr
    assert "2024-05-17 refused by files_read" in told.stderr
    assert "no line end" in told.stderr
    assert "backfill raw/shipments --from 2024-05-17 --to 2024-05-17" in told.stderr
    (line,) = json.loads(strict.run("status", "--json").stdout)["published"]
    assert line["days_to_reload"] == ["2024-05-17"]
    assert "no line end" in line["refused"]["2024-05-17"]
    (listed,) = strict.listed()
    assert (listed["status"], listed["rows_read"]) == ("refused", None)
    assert "its day was refused by files_read" in listed["error"]
    printed = strict.done("files", "list", "raw/shipments")
    assert f"{cut} {len(lines(ROW)) - 1} refused — — —" in printed
    assert f"{cut}: its day was refused by files_read (1 of 1 object" in printed
    assert "no line end" in printed

    strict.place.drop(cut, lines(ROW, ROW))
    assert [one["status"] for one in strict.listed()] == ["new"], "it is another object now"
    assert strict.run("backfill", "raw/shipments", "--to", "2024-05-18").exit_code == 0
    assert "refused" not in strict.run("status").stderr
    assert [one["status"] for one in strict.listed()] == ["loaded"]


@pytest.mark.thorough
def test_a_refused_day_that_was_published_before_stays_and_is_told(strict: Terminal) -> None:
    strict.place.drop(key(DAY, "a.csv"), lines(ROW))
    strict.done("backfill", "raw/shipments", "--to", "2024-05-17")
    strict.place.drop(key(DAY, "b.csv"), lines(ROW)[:-1])
    told = strict.done("files", "forget", "raw/shipments", key(DAY, "a.csv"), "--yes")
    assert "forgotten" in told
    assert strict.run("files", "replay", "raw/shipments").exit_code == 1
    assert [one["status"] for one in strict.listed()] == ["forgotten", "refused"]
    (line,) = json.loads(strict.run("status", "--json").stdout)["published"]
    assert (line["days"], line["rows"]) == (1, 1)
    assert line["days_to_reload"] == line["days_forgotten"] == ["2024-05-17"]
    strict.place.remove(key(DAY, "b.csv"))
    strict.done("files", "replay", "raw/shipments")
    (line,) = json.loads(strict.run("status", "--json").stdout)["published"]
    assert line["days_to_reload"] == line["days_forgotten"] == []
