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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import start_postgres
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.source_tables import run

REPOSITORY = Path(__file__).parents[2]
KEYS = [f"2024-01-0{number}" for number in range(1, 6)]
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
RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status
  assetMaterializations { partition assetKey { path } } eventConnection(limit: 1000) { events {
    ... on AssetCheckEvaluationEvent { evaluation { partition success checkName } } } } } } }"""
_RUNNING = {"REQUESTED", "CANCELING", "FAILING"}


@dataclass
class DagsterUI:
    """Where it listens, and the backfill with a bad day that was started with it."""

    url: str
    log: Path
    bad_backfill: str = field(default="")

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
            [(one["partition"], one["checkName"], one["success"]) for one in verdicts],
        )


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
def running_ui(home: Path) -> Iterator[DagsterUI]:
    """Fill a shop of five days with a bad one, load order items, and open the UI on it."""
    server = start_postgres(home / "postgres")
    try:
        for database, fill in (("shop", fill_shop), ("billing", fill_billing)):
            server.ensure_database(database)
            fill(server.url(database), days=len(KEYS), orders_a_day=120)
        run(
            server.url("shop"),
            f"UPDATE orders SET currency = '€' WHERE created_at::date = '{BAD}'",
        )
        environment = {name: v for name, v in os.environ.items() if name not in _OURS}
        environment |= {"ETL_HOME": str(home), "ETL_LAST_DAY": KEYS[-1], "ETL_DEMO": "1"}
        command = str(Path(sys.executable).with_name("etl-assets"))
        with (home / "dev.log").open("w") as log:
            common: dict[str, Any] = {
                "cwd": REPOSITORY,
                "env": environment,
                "stdout": log,
                "stderr": subprocess.STDOUT,
            }
            subprocess.run(
                [command, "backfill", "raw/order_items", "staged/order_items"],
                check=True,
                timeout=240,
                **common,
            )
            port = _free_port()
            dev = subprocess.Popen(
                [command, "dev", "--port", str(port)], start_new_session=True, **common
            )
            try:
                ui = DagsterUI(f"http://127.0.0.1:{port}", home / "dev.log")
                wait_for(lambda: _is_up(ui, dev), 240, f"the UI, see {ui.log}")
                ui.bad_backfill = ui.launch_backfill(["raw/orders", "staged/orders"], KEYS)
                yield ui
            finally:
                _stop(dev)
    finally:
        server.stop()


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
