"""What short commands cost: CPU seconds (user and system) beside the imports of what they stand on.

CPU and not wall time: that is what is the same on a busy machine, near enough. Each command runs in
a process of its own, with byte code that an earlier run has left, as on any machine in use; the
best of three counts. They work on a small shop that was synced into a DuckDB file before.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.imports import BARE
from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import MeasurementFailed
from benchmarks.source import Source
from etl_assets.core.http_specs import HttpApi
from etl_assets.demo.api import demo_api
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.shop import fill_shop
from etl_assets.table_modules import tables_from
from etl_assets_tests.partner_files import partner_files

DATABASE, DAGSTER = "commands", "commands_dagster"
_WITHOUT_HTTP = [
    table.path
    for table in tables_from().values()
    if table.source and not isinstance(table.source, HttpApi)
]
"""Of databases and files: only HTTP APIs need an HTTP client, whose import is a fifth of bare."""
COMMANDS: dict[str, Sequence[str]] = {
    "help": ("--help",),
    "status": ("status",),
    "state_show": ("state", "show", "raw/orders"),
    "doctor": ("doctor", *_WITHOUT_HTTP),
    "doctor_http": ("doctor",),
    "sync_idle": ("sync",),
}


def measure_commands(
    source: Source, folder: Path, repeats: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Each command's CPU seconds over those of the bare imports, and the latter."""
    tell("filling a small shop for the commands")
    for database in (DATABASE, DAGSTER):
        source.server.ensure_database(database)
    fill_shop(source.server.url(DATABASE), days=5, orders_a_day=50)
    fill_billing(source.server.url(DATABASE), days=5, orders_a_day=50)
    files = partner_files(folder / "partners", days=5, orders_a_day=50)
    environment = {
        **_environment(source, folder),
        "OBJECT_STORE_URL": files,
        "HTTP_API_URL_SALES": demo_api(),
        "HTTP_API_URL_CRM": demo_api(),
    }
    _cpu_seconds(_etl_assets(COMMANDS["sync_idle"]), environment)
    bare = _best([sys.executable, "-W", "ignore", "-c", BARE], environment, repeats)
    figures = {"command_bare_cpu_seconds": bare}
    for name, arguments in COMMANDS.items():
        tell(f"etl-assets {' '.join(arguments)}")
        figures[f"command_{name}_over_bare"] = (
            _best(_etl_assets(arguments), environment, repeats) / bare
        )
    return figures


def _etl_assets(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "etl_assets.cli", *arguments]


def _environment(source: Source, folder: Path) -> dict[str, str]:
    ours = (
        "DATABASE_",
        "WAREHOUSE_",
        "BIGQUERY_",
        "DAGSTER_",
        "ETL_",
        "OBJECT_STORE_",
        "HTTP_API_",
        "PYTHONDONTWRITEBYTECODE",
    )
    home = folder / "commands"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "PYTHONPYCACHEPREFIX": str(home / "byte code"),
        "ETL_HOME": str(home),
        "ETL_LAST_DAY": "2024-01-05",
        "DATABASE_URL": source.server.url(DATABASE),
        "DATABASE_URL_BILLING": source.server.url(DATABASE),
        "DAGSTER_POSTGRES_URL": source.server.url(DAGSTER),
    }


def _best(command: Sequence[str], environment: Mapping[str, str], repeats: int) -> float:
    _cpu_seconds(command, environment)  # leaves the byte code
    return min(_cpu_seconds(command, environment) for _ in range(repeats))


def _cpu_seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = os.times()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise MeasurementFailed(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def _part(bench: Bench) -> Outcome:
    figures = measure_commands(bench.source, bench.folder, 1 if bench.quick else 3, bench.tell)
    bare = figures["command_bare_cpu_seconds"]
    rows = [("the imports of Dagster, Polars and Pandera", f"{bare:.2f}", "1.00")]
    for name, arguments in COMMANDS.items():
        ratio = figures[f"command_{name}_over_bare"]
        shown = " ".join(arguments) if len(arguments) < 4 else f"{arguments[0]}, without HTTP APIs"
        rows.append((f"etl-assets {shown}", f"{ratio * bare:.2f}", f"{ratio:.2f}"))
    return Outcome(figures, [Sheet("Short commands", ("", "CPU s", "x bare"), rows)])


PART = Part("commands", "Start-up: short commands", _part)
