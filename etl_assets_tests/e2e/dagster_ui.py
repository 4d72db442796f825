"""A running `etl-assets dev` on a small shop, and what its GraphQL says."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.partner_files import partner_files
from etl_assets_tests.source_tables import run

REPOSITORY = Path(__file__).parents[2]
KEYS = [f"2024-01-0{number}" for number in range(1, 8)]
"""The week that the shop has; that of the pictures has the three weeks after it, too."""
BAD = KEYS[2]
_OURS = {"DATABASE_URL", "WAREHOUSE_URL", "DAGSTER_POSTGRES_URL", "DAGSTER_HOME", "ETL_FIRST_DAY"}

LAUNCH = """mutation ($keys: [AssetKeyInput!]!, $days: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: $keys, partitionNames: $days}) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status assetBackfillData { assetBackfillStatuses {
    ... on AssetPartitionsStatusCounts { assetKey { path } numPartitionsMaterialized
      numPartitionsFailed numPartitionsInProgress } } } } } }"""
BACKFILLS = """{ partitionBackfillsOrError(limit: 20) { ... on PartitionBackfills { results {
  id status assetSelection { path } } } } }"""
PARTITIONS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) {
  ... on AssetNode { assetPartitionStatuses {
  ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }"""
TICKS = """query ($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
  ... on Sensor { sensorState { ticks(limit: 20) { id status skipReason runIds } } } } }"""
RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status
  assetMaterializations { partition assetKey { path } } eventConnection(limit: 1000) { events {
    ... on AssetCheckEvaluationEvent { evaluation { partition success checkName } } } } } } }"""
_RUNNING = {"REQUESTED", "CANCELING", "FAILING"}


@dataclass
class DagsterUI:
    """Where it listens, the shop's database and data folder, how many days are loaded of a table
    that is loaded whole, and the backfill with a bad day that was started with it."""

    url: str
    log: Path
    source: str = ""
    home: Path = Path()
    days: int = len(KEYS)
    bad_backfill: str = ""

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL query; raises AssertionError for its errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch_backfill(self, assets: list[str], days: list[str]) -> str:
        """Start a backfill as the UI does; its id."""
        keys = [{"path": asset.split("/")} for asset in assets]
        launched = self.ask(LAUNCH, keys=keys, days=days)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def finished_backfill(self, backfill: str, seconds: float = 600) -> dict[str, Any]:
        """Wait for its end: status, and (materialised, failed) days by table."""

        def ended() -> Any:
            found = self.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]
            return None if found["status"] in _RUNNING else found

        found = wait_for(ended, seconds, f"backfill {backfill}, see {self.log}")
        return {"status": found["status"]} | {
            "/".join(one["assetKey"]["path"]): (
                one["numPartitionsMaterialized"],
                one["numPartitionsFailed"],
            )
            for one in found["assetBackfillData"]["assetBackfillStatuses"]
        }

    def backfill_of(self, asset: str) -> str:
        """The newest backfill of just this asset."""
        results = self.ask(BACKFILLS)["partitionBackfillsOrError"]["results"]
        return next(
            str(one["id"])
            for one in results
            if [key["path"] for key in one["assetSelection"]] == [asset.split("/")]
        )

    def ranges(self, asset: str) -> list[tuple[str, str, str]]:
        """The asset's partitions as the UI paints them: (first day, last day, status)."""
        node = self.ask(PARTITIONS, key={"path": asset.split("/")})["assetNodeOrError"]
        return [
            (one["startKey"], one["endKey"], one["status"])
            for one in node["assetPartitionStatuses"]["ranges"]
        ]

    def run(self, run_id: str) -> tuple[str, list[str], list[tuple[str, str, bool]]]:
        """A run's status, the days it materialised, its verdicts as (day, check, passed)."""
        found = self.ask(RUN, id=run_id)["runOrError"]
        events = found["eventConnection"]["events"]
        verdicts = [event["evaluation"] for event in events if "evaluation" in event]
        return (
            found["status"],
            [
                one["partition"]
                for one in found["assetMaterializations"]
                if not one["assetKey"]["path"][-1].endswith("_versions")  # they go with their table
            ],
            [
                (one["partition"], one["checkName"], one["success"])
                for one in verdicts
                if one["checkName"] != "days_refused"  # it is about the table
            ],
        )

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        """The newest ticks of a sensor, the newest first."""
        selector = {
            "repositoryLocationName": "etl_assets",
            "repositoryName": "__repository__",
            "sensorName": sensor,
        }
        found = self.ask(TICKS, sensor=selector)["sensorOrError"]["sensorState"]["ticks"]
        return list(found)


def wait_for(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first truthy answer; raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = look()
        if answer:
            return answer
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


@contextmanager
def running_ui(home: Path, *, demo: bool = False) -> Iterator[DagsterUI]:
    """Open the UI on a shop of a week with a bad day, of which order items are loaded.

    With `demo` it is the demo, with all of its tables and 30 days, as the pictures of the docs show
    it; then the bad day is one that was published before.
    """
    environment = {name: v for name, v in os.environ.items() if name not in _OURS}
    environment |= {"ETL_HOME": str(home), "ETL_DEMO": "1"}
    if not demo:
        environment["ETL_LAST_DAY"] = KEYS[-1]
    command = str(Path(sys.executable).with_name("etl-assets"))
    with (home / "dev.log").open("w") as log:
        common: dict[str, Any] = {
            "cwd": REPOSITORY,
            "env": environment,
            "stdout": log,
            "stderr": subprocess.STDOUT,
        }

        def run_command(*words: str) -> None:
            subprocess.run([command, *words], check=True, timeout=600, **common)

        if demo:
            run_command("demo")
        server = start_postgres(home / "postgres")
        try:
            if not demo:
                _fill(home, server)
            spoil = f"UPDATE orders SET currency = '€' WHERE created_at::date = '{BAD}'"
            run(server.url("shop"), spoil)
            if not demo:
                run_command("backfill", "raw/order_items", "staged/order_items")
            port = _free_port()
            dev = subprocess.Popen(
                [command, "dev", "--port", str(port)], start_new_session=True, **common
            )
            try:
                url, days = f"http://127.0.0.1:{port}", 30 if demo else len(KEYS)
                ui = DagsterUI(url, home / "dev.log", server.url("shop"), home, days)
                wait_for(lambda: _is_up(ui, dev), 240, f"the UI, see {ui.log}")
                ui.bad_backfill = ui.launch_backfill(["raw/orders", "staged/orders"], KEYS)
                yield ui
            finally:
                _stop(dev)
        finally:
            server.stop()


def _fill(home: Path, server: EmbeddedPostgres) -> None:
    """The shop, its billing system and its partners' files."""
    for database, fill in (("shop", fill_shop), ("billing", fill_billing)):
        server.ensure_database(database)
        fill(server.url(database), days=len(KEYS), orders_a_day=120)
    partner_files(home / "partners", days=len(KEYS), orders_a_day=120)


@contextmanager
def running_dev(folder: Path, environment: Mapping[str, str]) -> Iterator[DagsterUI]:
    """`etl-assets dev` away from the repository, with these variables and no others of ours."""
    away, port = folder / "away", _free_port()
    away.mkdir()
    programs = Path(sys.executable).parent
    variables = {"PATH": f"{programs}:{os.defpath}", "HOME": str(folder), **environment}
    with (folder / "dev.log").open("w") as log:
        dev = subprocess.Popen(
            [str(programs / "etl-assets"), "dev", "--port", str(port)],
            cwd=away,
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ui = DagsterUI(f"http://127.0.0.1:{port}", folder / "dev.log")
            wait_for(lambda: _is_up(ui, dev), 240, f"the UI, see {ui.log}")
            yield ui
        finally:
            _stop(dev)


def _is_up(ui: DagsterUI, dev: "subprocess.Popen[bytes]") -> bool:
    assert dev.poll() is None, ui.log.read_text()
    try:
        found = ui.ask("{ assetNodes { id } }")["assetNodes"]
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return bool(found)


def _stop(dev: "subprocess.Popen[bytes]") -> None:
    """End the whole process group: the UI, the daemon, the code server and their runs."""
    for sign, seconds in ((signal.SIGINT, 20), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(dev.pid, sign)
            dev.wait(seconds)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
    dev.wait(5)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
