"""What the tests of the orchestration hold in their hands: a shop, its warehouse, its instance."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster import DagsterEventType

from etl_assets.config import HttpSettings, ObjectStoreSettings, Settings
from etl_assets.core.checks import DAYS_REFUSED
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.partitions import Window
from etl_assets.demo.api import demo_api
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.shop import fill_shop
from etl_assets.orchestration.backfill import BackfillResult, backfill, run_range
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.partner_files import partner_files
from etl_assets_tests.source_tables import run

ORDERS_A_DAY = 120
DAYS = [date(2024, 1, number) for number in (1, 2, 3, 4)]
CHECK_NAMES = [
    "required_columns",
    "dtypes",
    "value_rules",
    "null_ratios",
    "unique_key",
    "row_count_against_source",
    "row_count_against_earlier_days",
    "row_count_against_published",
]
SOURCE_CHECK_NAMES = ["cursor_values", "schema_drift"]
FILE_CHECK_NAMES = ["schema_drift", "files_read"]
API_CHECK_NAMES = ["schema_drift"]
OF_FILES = ["raw/shipments", "raw/supplier_prices", "raw/identity_decisions"]
OF_APIS = ["raw/sales", "raw/crm_contacts"]
FACTS = ["enriched/fact_orders", "enriched/fact_order_items"]
VERSIONS = ["raw/customers_versions", "raw/products_versions"]


def check_names(path: str) -> list[str]:
    """The checks of a table, in their order."""
    if path in OF_FILES:
        return [*CHECK_NAMES, *FILE_CHECK_NAMES]
    if path in OF_APIS:
        return [*CHECK_NAMES, *API_CHECK_NAMES]
    own = SOURCE_CHECK_NAMES if path.startswith("raw/") else []
    promoted = ["promoted_fields"] if path == "staged/customers" else []
    return [*CHECK_NAMES, *own, *promoted, *(["one_version"] if path in FACTS else [])]


@dataclass
class Shop:
    """A source database with four days, and everything that loads it."""

    url: str
    settings: Settings
    platform: Platform
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    run: dg.ExecuteInProcessResult | None = None

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Change or ask the source."""
        return run(self.url, *statements)

    def change_order(self, day: date) -> None:
        """Change one order of that day, which must have one."""
        changed = self.sql(
            "UPDATE orders SET note = 'late', updated_at = now() "
            f"WHERE id = (SELECT max(id) FROM orders WHERE created_at::date = '{day}') RETURNING id"
        )
        assert len(changed) == 1, f"{day} has no order"

    def add_order(self, day: date) -> None:
        """One more order on that day, without items."""
        self.sql(
            "INSERT INTO orders (id, customer_id, status, total_cents, currency, channel, "
            "coupon_code, created_at, updated_at) SELECT max(id) + 1, min(customer_id), 'paid', "
            f"100, 'EUR', 'web', 'SPRING', '{day} 12:00+00', now() FROM orders"
        )

    def load(
        self, *paths: str, days: Sequence[date] = (DAYS[0], DAYS[-1])
    ) -> dg.ExecuteInProcessResult:
        """One run over the range from the first to the last of the days; default: all tables."""
        window = Window(days[0], days[-1])
        return run_range(
            self.definitions, self.instance, paths or list(self.platform.catalog), window
        )

    def backfill(self, *paths: str) -> BackfillResult:
        """All days of these tables, layer by layer."""
        return backfill(self.platform, paths, Window(DAYS[0], DAYS[-1]), self.instance)

    def audit(self, path: str, day: date | None = None) -> dg.ExecuteInProcessResult:
        """Run the checks of a table alone, of one day or of all."""
        checks = dg.AssetSelection.checks_for_assets(dg.AssetKey(path.split("/")))
        job = dg.define_asset_job("audit", selection=checks)
        definitions = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        return definitions.resolve_job_def("audit").execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags={"dagster/partition": day.isoformat()} if day else {},
        )

    def warehouse(self, query: str, *, write: bool = False) -> list[tuple[Any, ...]]:
        """Ask the warehouse past everything of ours; `write` tampers with it."""
        with duckdb.connect(
            str(self.settings.home / "warehouse.duckdb"), read_only=not write
        ) as connection:
            return connection.execute(query).fetchall()

    def published(self, path: str, day: date) -> list[tuple[Any, ...]]:
        """The published rows of a day of orders, with their audit columns."""
        return self.warehouse(
            f"SELECT * FROM {path.replace('/', '.')} "
            f"WHERE (created_at AT TIME ZONE 'UTC')::DATE = '{day}' ORDER BY ALL"
        )

    def state(self, path: str) -> dict[date, Any]:
        """What the warehouse remembers of a table, by day."""
        table = self.platform.catalog[path]
        return {state.partition_key: state for state in self.platform.warehouse.state(table)}

    def check_state(self, path: str, check: str) -> dict[str, set[str]]:
        """Partition keys by status of a check, as the UI shows them; missing ones are left out."""
        key = dg.AssetCheckKey(dg.AssetKey(path.split("/")), check)
        infos = self.instance.event_log_storage.get_asset_check_partition_info([key])
        found: dict[str, set[str]] = defaultdict(set)
        for info in infos:
            if info.is_current and info.partition_key:
                found[info.latest_execution_status.value].add(info.partition_key)
        return dict(found)


@contextmanager
def open_shop(url: str, home: Path, **changes: Any) -> Iterator[Shop]:
    """Fill the database and put the production assembly on it; `changes` are of the settings."""
    fill_shop(url, days=len(DAYS), orders_a_day=ORDERS_A_DAY)
    fill_billing(url, days=len(DAYS), orders_a_day=ORDERS_A_DAY)
    files = partner_files(home / "partners", days=len(DAYS), orders_a_day=ORDERS_A_DAY)
    with open_filled_shop(url, home, files, **changes) as opened:
        yield opened


@contextmanager
def open_filled_shop(url: str, home: Path, files: str, **changes: Any) -> Iterator[Shop]:
    """The same on a database and a folder, of that URL, that are filled already."""
    # One database is enough here: the connections have pools of their own all the same.
    sources = {
        "database_url": url,
        "databases": {"billing": url},
        "object_store": ObjectStoreSettings(url=files),
        "http": HttpSettings(
            apis={name: HttpConnection(url=demo_api()) for name in ("sales", "crm")}
        ),
    }
    settings = Settings(home=home, first_day=DAYS[0], last_day=DAYS[-1], **{**sources, **changes})
    platform = Platform(settings)
    definitions = build_definitions(settings, overrides={"platform": platform})
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(url, settings, platform, definitions, instance)
    platform.close()


def materialised(result: dg.ExecuteInProcessResult) -> dict[str, list[str]]:
    """Partition keys that the run materialised, by table."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in result.all_events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            found["/".join(event.asset_key.path)].append(event.partition)
    return dict(found)


def metadata_of(result: dg.ExecuteInProcessResult, path: str) -> dict[str | None, dict[str, Any]]:
    """The metadata values of a table's materialisations in the run, by partition key."""
    return {
        event.partition: {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
        and event.asset_key == dg.AssetKey(path.split("/"))
    }


def evaluations(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    """Every verdict on a day in the run, in order; not the check that counts refused days."""
    return [one for one in _every_check(result) if one.check_name != DAYS_REFUSED.name]


def days_refused(result: dg.ExecuteInProcessResult, path: str) -> list[int]:
    """How many days the run found that are not as they should be, each time that it counted."""
    counts = []
    for one in _every_check(result):
        if (one.asset_key.path, one.check_name) == (path.split("/"), DAYS_REFUSED.name):
            assert one.partition is None
            count = one.metadata["days_refused"].value
            assert one.passed is (count == 0)
            counts.append(count)
    return counts


def _every_check(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return [
        event.event_specific_data
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
    ]


def failed_checks(result: dg.ExecuteInProcessResult) -> set[tuple[str, str, str]]:
    """(table, partition, check) of every evaluation that did not pass."""
    return {
        ("/".join(one.asset_key.path), one.partition, one.check_name)
        for one in evaluations(result)
        if not one.passed
    }


def evidence(result: dg.ExecuteInProcessResult, path: str, day: date, check: str) -> dict[str, Any]:
    """The evidence of one check on one day."""
    (found,) = (
        one
        for one in evaluations(result)
        if (one.asset_key, one.partition, one.check_name)
        == (dg.AssetKey(path.split("/")), day.isoformat(), check)
    )
    return {name: value.value for name, value in found.metadata.items()}


def failure_message(result: dg.ExecuteInProcessResult) -> str:
    """What the only failed step of the run says."""
    (failure,) = (
        event for event in result.all_events if event.event_type is DagsterEventType.STEP_FAILURE
    )
    return failure.step_failure_data.user_failure_data.description
