"""Which database a table is read from, and when the demo shop may stand in for one."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from etl_assets.config import DEMO_TABLES, ObjectStoreSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import ConfigError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.core.state import PartitionState
from etl_assets.demo.marker import is_for_demo, mark_for_demo, not_of_demo
from etl_assets.demo.partner_folder import is_watched, partners_folder
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.platform import Platform
from etl_assets.sources.factory import Sources
from etl_assets.table_modules import tables_from
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of, pool_of

SHOP = "postgresql://reader:c4n4ry@shop.example.com/shop?sslmode=require"
BILLING = "postgresql://reader:c4n4ry@billing.example.com:5433/billing?sslmode=require"
PLAIN = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT})


def settings(home: Path, **changes: object) -> Settings:
    given = {"database_url": SHOP, "databases": {"billing": BILLING}, **changes}
    return Settings(home=home, **given)  # type: ignore[arg-type]


def spec(name: str, connection: str) -> TableSpec:
    source = PostgresTable("orders", connection=connection)
    return TableSpec(name, source, PLAIN, PLAIN, lambda raw: raw, "")


def test_each_connection_has_an_engine_and_a_pool_of_its_own(tmp_path: Path) -> None:
    sources = Sources(settings(tmp_path))
    pools = [pool_of(sources.reader(name)) for name in ("default", "billing", "billing")]
    assert pools[1] is pools[2]
    assert pools[0] is not pools[1]
    assert all(isinstance(pool, sa.pool.QueuePool) for pool in pools)
    sources.close()


def test_messages_say_which_databases_are_read_and_no_secret(tmp_path: Path) -> None:
    catalog = Catalog.of([spec("orders", "default"), spec("billing_orders", "billing")])
    platform = Platform(settings(tmp_path), given_catalog=catalog)
    assert platform.read_from(catalog.values()) == [
        "postgresql://shop.example.com/shop",
        "postgresql://billing.example.com:5433/billing",
    ]


def test_a_connection_without_a_url_is_said_with_its_variable(tmp_path: Path) -> None:
    catalog = Catalog.of([spec("orders", "old_shop")])
    platform = Platform(settings(tmp_path), given_catalog=catalog)
    with pytest.raises(ConfigError, match=r'DATABASE_URL_OLD_SHOP is not set.* "old_shop"'):
        platform.unseen_source(catalog["raw/orders"])


def test_a_url_that_is_none_is_said_with_the_variable_that_it_comes_from(tmp_path: Path) -> None:
    sources = Sources(settings(tmp_path, databases={"billing": "mysql://u:c4n4ry@h/d"}))
    with pytest.raises(ConfigError, match="DATABASE_URL_BILLING is not a PostgreSQL URL") as caught:
        sources.reader("billing")
    assert "c4n4ry" not in str(caught.value)


@pytest.mark.parametrize("warehouse", [None, "duckdb:///data/w.duckdb", "postgresql://u:p@h/d"])
def test_r6_the_demo_shop_is_read_only_where_the_demo_was_asked_for(
    tmp_path: Path, warehouse: str | None
) -> None:
    alone = Settings(home=tmp_path, warehouse_url=warehouse)
    with pytest.raises(ConfigError, match=r"DATABASE_URL is not set.*etl-assets demo.*ETL_DEMO=1"):
        Sources(alone).reader()
    assert Sources(alone.changed(demo=True)).is_demo()
    mark_for_demo(alone)
    assert Sources(alone).is_demo()
    assert Sources(alone).shown() == "the embedded demo shop"
    assert Sources(alone).shown("billing") == "the embedded demo billing system"


def test_r6_m6_the_demo_of_one_warehouse_says_nothing_of_another(tmp_path: Path) -> None:
    mark_for_demo(Settings(home=tmp_path))
    mark_for_demo(Settings(home=tmp_path, warehouse_url="postgresql://u:c4n4ry@h/demo?x=c4n4ry"))
    assert is_for_demo(Settings(home=tmp_path))
    assert is_for_demo(Settings(home=tmp_path, warehouse_url="postgresql://other:p@h/demo"))
    assert not is_for_demo(Settings(home=tmp_path, warehouse_url="postgresql://u:p@h/production"))
    assert "c4n4ry" not in (tmp_path / "demo.json").read_text()


def test_r6_a_connection_that_the_demo_does_not_have_is_never_the_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL_LEDGER is not set"):
        Sources(Settings(home=tmp_path, demo=True)).reader("ledger")


def test_r6_the_demo_s_billing_is_read_only_where_the_demo_was_asked_for(tmp_path: Path) -> None:
    alone = Settings(home=tmp_path)
    with pytest.raises(ConfigError, match=r"DATABASE_URL_BILLING is not set.*ETL_DEMO=1\.$"):
        Sources(alone).is_demo("billing")
    assert Sources(alone.changed(demo=True)).is_demo("billing")


@pytest.mark.parametrize(
    ("given", "asked", "variable", "other"),
    [
        ({"database_url": SHOP}, "billing", "DATABASE_URL_BILLING", "DATABASE_URL"),
        ({"databases": {"billing": BILLING}}, "default", "DATABASE_URL", "DATABASE_URL_BILLING"),
    ],
)
def test_r6_a_database_of_the_demo_never_stands_beside_one_of_the_user_s_own(
    tmp_path: Path, given: dict[str, object], asked: str, variable: str, other: str
) -> None:
    mixed = Settings(home=tmp_path, demo=True, **given)  # type: ignore[arg-type]
    mark_for_demo(mixed)
    with pytest.raises(ConfigError, match=f"{variable} is not set.*where {other} is not set"):
        Sources(mixed).reader(asked)
    elsewhere = Settings(home=tmp_path, demo=True, databases={"ledger": BILLING})
    assert Sources(elsewhere).is_demo(asked), "a connection of other tables changes nothing"


def test_r6_files_of_the_demo_are_read_only_where_its_databases_are(tmp_path: Path) -> None:
    shipments = tables_from()["raw/shipments"]
    alone = Settings(home=tmp_path)
    own = settings(tmp_path, demo=True)
    for refused in (alone, own):
        with pytest.raises(ConfigError, match=r"OBJECT_STORE_URL is not set.*tables/shipments\.py"):
            Sources(refused).store(shipments)
    mark_for_demo(alone)
    with pytest.raises(ConfigError, match=r"partners, which is not there.*Run etl-assets demo"):
        Sources(alone).store(shipments)
    partners_folder(alone).mkdir()
    sources = Sources(alone)
    assert str(sources.store(shipments).location) == f"file://{tmp_path}/partners"
    assert shipments.source is not None
    assert sources.holds_demo_rows(shipments.source)
    assert sources.read_from(shipments.source) == "the folder of the demo's partners"
    assert (is_watched(alone), is_watched(own)) == (True, False)


def test_the_sensors_of_late_days_are_on_where_the_demo_has_a_folder_to_drop_files_into(
    tmp_path: Path,
) -> None:
    demo = Settings(home=tmp_path, demo=True)

    late, files = {"late_staged_days", "late_enriched_days"}, {"new_files__shipments"}
    assert not (late | files) & running(demo)
    partners_folder(demo).mkdir()
    assert late | files <= running(demo)


def test_the_sensors_of_files_are_on_where_something_says_where_the_files_are(
    tmp_path: Path,
) -> None:
    own = settings(tmp_path)
    assert "late_staged_days" in running(own)
    assert "new_files__shipments" not in running(own), "each tick would fail"
    store = ObjectStoreSettings(url=f"file://{tmp_path}")
    assert "new_files__shipments" in running(own.changed(object_store=store))


def running(given: Settings) -> set[str]:
    """The sensors that work by themselves."""
    sensors = build_definitions(given).sensors
    return {one.name for one in sensors if one.default_status.value == "RUNNING"}


def test_r6_an_object_store_of_the_users_own_is_read_and_never_taken_for_the_demos(
    tmp_path: Path,
) -> None:
    own = ObjectStoreSettings(url="s3://theirs/drop", credentials={"AWS_REGION": "us-east-1"})
    asked = Settings(home=tmp_path, demo=True, object_store=own)
    partners_folder(asked).mkdir()
    shipments = tables_from()["raw/shipments"]
    assert shipments.source is not None
    assert str(Sources(asked).store(shipments).location) == "s3://theirs/drop"
    assert not Sources(asked).holds_demo_rows(shipments.source)
    assert not is_watched(asked)


def state(path: str, day: date) -> PartitionState:
    now = datetime(2024, 1, 5, tzinfo=UTC)
    return PartitionState(
        path, day, None, None, 1, 1, 0, 1, 0, now, "load", "run", 0.0, None, now, None
    )


@pytest.mark.parametrize(
    ("published", "others"),
    [
        ([], []),
        ([("raw/orders", date(2024, 1, 30)), ("enriched/daily_revenue", date(2024, 1, 1))], []),
        ([("raw/customers_versions", date(2024, 2, 20)), ("raw/orders", WHOLE)], []),
        ([("raw/countries", WHOLE), ("raw/invoices", date(2024, 1, 3))], []),
        ([("raw/ledgers", date(2024, 1, 3)), ("raw/orders", date(2024, 1, 3))], ["raw/ledgers"]),
        ([("raw/orders", date(2024, 1, 31))], ["raw/orders"]),
        ([("raw/orders", date(2023, 12, 31))], ["raw/orders"]),
    ],
)
def test_r6_a_warehouse_with_other_tables_or_days_is_not_the_demos(
    published: list[tuple[str, date]], others: list[str]
) -> None:
    states = [state(path, day) for path, day in published]
    assert not_of_demo(states, tables_from()) == others


class Counting:
    """A warehouse that says what is published, and how often it was asked."""

    def __init__(self, states: list[PartitionState]) -> None:
        self.states, self.asked = states, 0

    @property
    def seen(self) -> "Counting":
        return self

    def state(self) -> list[PartitionState]:
        self.asked += 1
        return self.states


def platform_on(warehouse: Counting, catalog: Catalog, home: Path) -> Platform:
    platform = Platform(Settings(home=home, demo=True), given_catalog=catalog)
    vars(platform)["warehouse"] = warehouse
    return platform


def test_whether_a_warehouse_is_the_demos_is_asked_once_for_all_of_its_tables(
    tmp_path: Path,
) -> None:
    demo, warehouse = tables_from(DEMO_TABLES), Counting([])
    platform = platform_on(warehouse, demo, tmp_path)
    for path in ("raw/countries", "raw/orders", "raw/invoices"):
        platform.unseen_source(demo[path])
    assert warehouse.asked == 1
    warehouse.states.append(state("raw/ledgers", date(2024, 1, 3)))
    with pytest.raises(ConfigError, match="raw/ledgers"):  # another process: it is asked anew
        platform_on(warehouse, demo, tmp_path).unseen_source(demo["raw/orders"])


def test_a_refusal_is_not_forgotten(tmp_path: Path) -> None:
    demo, warehouse = tables_from(DEMO_TABLES), Counting([state("raw/ledgers", WHOLE)])
    platform = platform_on(warehouse, demo, tmp_path)
    for _ in range(2):
        with pytest.raises(ConfigError, match="raw/ledgers"):
            platform.unseen_source(demo["raw/orders"])


def test_a_platform_with_tables_of_its_own_may_have_published_them_since(tmp_path: Path) -> None:
    own = Catalog.of([spec("ledgers", "default")])
    demo, warehouse = tables_from(DEMO_TABLES), Counting([])
    platform = platform_on(warehouse, own, tmp_path)
    platform.unseen_source(demo["raw/orders"])
    warehouse.states.append(state("raw/ledgers", date(2024, 1, 3)))
    with pytest.raises(ConfigError, match="raw/ledgers"):
        platform.unseen_source(demo["raw/orders"])
