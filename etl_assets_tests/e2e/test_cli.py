"""The commands of the README, as a user types them, on servers and files of their own."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from etl_assets.config import DEMO_TABLES
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.contacts import BAD_CONTACTS
from etl_assets.demo.event_payloads import api_items, event_files
from etl_assets.demo.event_payloads import messages as sent
from etl_assets.demo.plan import BAD_LINES, BAD_ROWS, ShopPlan
from etl_assets.demo.postmaster import postmaster
from etl_assets.demo.sales import BAD_SALES
from etl_assets.demo.server import start_postgres
from etl_assets.demo.shipments import shipment_files
from etl_assets.demo.shop import fill_shop
from etl_assets.table_modules import tables_from
from etl_assets_tests.e2e.command import Commands, Outcome

SOURCES = {
    "shop": ("customers", "products", "orders", "order_items", "countries"),
    "billing": ("invoices", "accounts"),
    "events": ("events",),
}
"""The source tables by the database of the demo that they are in."""

OTHER_NAMES = {"accounts": "billing_accounts"}
"""What the platform calls source tables that have another name there."""

WITHOUT_DAYS = (
    *("countries", "crm_contacts", "identity_decisions", "bridge_customer_segments"),
    *("dim_customers", "dim_date", "dim_products", "dim_supplier_prices"),
    *("customer_edges", "customer_over_merges", "customer_provenance", "customer_records"),
    *("customers", "golden_customers"),
)
OWN_CHECKS = {
    "staged/customers": 1,  # of a promoted column
    "enriched/fact_orders": 1,  # that each row points to one version
    "enriched/fact_order_items": 1,
}
OF_APIS = ("sales", "crm_contacts")


@dataclass(frozen=True)
class Demo:
    """The data folder of a demo that ran once, and what it printed."""

    commands: Commands
    home: Path
    outcome: Outcome


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    home = tmp_path_factory.mktemp("demo")
    environment = {"ETL_HOME": str(home)}
    outcome = Commands(environment, installed=True).etl_assets("demo")
    return Demo(Commands(environment), home, outcome)


def summary(out: str) -> dict[str, tuple[int, int, int, int, int]]:
    """What the printed table says: days, rows, checks passed, failed, quarantined by table."""
    lines = re.findall(r"^ *(\w+/\w+)" + r" +([\d,]+)" * 5, out, re.MULTILINE)
    return {
        path: tuple(int(number.replace(",", "")) for number in numbers)  # type: ignore[misc]
        for path, *numbers in lines
    }


def unpacked(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def warehouse(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def counted(url: str, tables: Sequence[str]) -> Mapping[str, int]:
    """The source's rows, asked of PostgreSQL."""
    found = {}
    with psycopg.connect(url) as connection:
        for table in tables:
            (number,) = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (
                0,
            )
            found[table] = number
    return found


def test_the_demo_fills_every_table_and_its_summary_is_true(demo: Demo) -> None:
    assert demo.outcome.code == 0, demo.outcome.err
    server = start_postgres(demo.home / "postgres")
    try:
        source: dict[str, int] = {}
        for database, tables in SOURCES.items():
            source |= counted(server.url(database), tables)
    finally:
        server.stop()
    told = summary(demo.outcome.out)
    versions = {path: told.pop(path) for path in list(told) if path.endswith("_versions")}
    file = demo.home / "warehouse.duckdb"
    aside = dict(
        warehouse(file, "SELECT table_name, count(*) FROM etl.etl_quarantine GROUP BY ALL")
    )
    for table, count in source.items():
        name = OTHER_NAMES.get(table, table)
        raw = count - aside.get(f"raw/{name}", 0)
        staged = raw - aside.get(f"staged/{name}", 0)
        assert (told[f"raw/{name}"][1], told[f"staged/{name}"][1]) == (raw, staged)
    for path, (days, rows, passed, failed, quarantined) in told.items():
        layer, name = path.split("/")
        assert warehouse(file, f"SELECT count(*) FROM {layer}.{name}") == [(rows,)]
        has_days = name not in WITHOUT_DAYS or path in ("raw/customers", "staged/customers")
        parts = 30 if has_days else 1
        assert (days, quarantined) == (parts, aside.get(path, 0))
        of_source = (
            2 if name not in OF_APIS else 1
        )  # a list of an API has no cursor, and no objects
        own = OWN_CHECKS.get(path, 0) + (of_source if layer == "raw" else 0)
        assert passed + failed == parts * (8 + own), path
    assert told.keys() == set(tables_from(DEMO_TABLES))
    assert {path for path, (*_, failed, _aside) in told.items() if failed} == {"raw/shipments"}
    assert [days for days, *_ in versions.values()] == [50, 36]
    # Customers that staged sets aside make no version either.
    assert aside.pop("enriched/dim_customers") == aside["staged/customers"]
    assert sum(aside.values()) == len(BAD_ROWS) + BAD_LINES + BAD_SALES + BAD_CONTACTS
    out = " ".join(demo.outcome.out.split())
    assert f"{source['orders']:,} orders" in out
    assert f"{source['invoices']:,} invoices and {source['accounts']:,} accounts" in out
    read = "the embedded demo shop, the embedded demo billing system, the demo's HTTP API, the"
    read += " embedded database of events, the folder of the demo's partners"
    assert f"Read from {read}." in out


def test_the_demo_s_revenue_names_the_country_beside_its_code(demo: Demo) -> None:
    file = demo.home / "warehouse.duckdb"
    query = "SELECT DISTINCT country, country_name FROM enriched.daily_revenue"
    named = dict(warehouse(file, query))
    assert named.pop("??", "unknown") == "unknown"  # orders of customers in quarantine
    assert named == dict(warehouse(file, "SELECT code, name FROM staged.countries"))
    assert named["NA"] == "Namibia"


def test_the_demo_s_customers_are_conformed_from_three_systems(demo: Demo) -> None:
    file = demo.home / "warehouse.duckdb"
    tables = {"shop": "customers", "crm": "crm_contacts", "billing": "billing_accounts"}
    query = "SELECT source_system, count(*) FROM enriched.customer_records GROUP BY ALL"
    assert dict(warehouse(file, query)) == {
        system: warehouse(file, f"SELECT count(*) FROM staged.{table}")[0][0]
        for system, table in tables.items()
    }
    known = (
        "SELECT count(*) FROM (SELECT email FROM enriched.customer_records "
        "GROUP BY 1 HAVING count(DISTINCT source_system) = 3)"
    )
    assert warehouse(file, known)[0][0] > 300, "the systems know the same people"
    phones = "SELECT count(phone), count(*) FROM staged.customers WHERE has_phone"
    ((numbers, typed),) = warehouse(file, phones)
    assert numbers == typed


def test_no_server_runs_after_the_demo(demo: Demo) -> None:
    assert postmaster(demo.home / "postgres") is None


def test_the_demo_again_changes_nothing_and_prints_the_same(demo: Demo) -> None:
    file = demo.home / "warehouse.duckdb"
    query = "SELECT table_name, partition_key, load_id FROM etl.etl_state ORDER BY ALL"
    before = warehouse(file, query)
    again = demo.commands.etl_assets("demo")
    assert again.code == 0, again.err
    assert warehouse(file, query) == before, "what is there was loaded again"
    assert summary(again.out) == summary(demo.outcome.out)
    assert postmaster(demo.home / "postgres") is None


def test_status_prints_the_same_table(demo: Demo) -> None:
    status = demo.commands.etl_assets("status")
    assert status.code == 0
    assert summary(status.out) == summary(demo.outcome.out)


@pytest.mark.thorough
def test_a_backfill_loads_its_days_again_and_nothing_else(demo: Demo) -> None:
    file = demo.home / "warehouse.duckdb"
    # The first day of all is that of a table's own row, which every publication changes.
    query = (
        "SELECT table_name, partition_key::text, as_of FROM etl.etl_state "
        "WHERE partition_key > '0001-01-01'"
    )
    loads = "SELECT table_name, partition_key, load_id FROM etl.etl_state ORDER BY ALL"
    published = warehouse(file, loads)
    before = set(warehouse(file, query))
    days = ["--from", "2024-01-05", "--to", "2024-01-06"]
    done = demo.commands.etl_assets("backfill", "raw/orders", *days)
    assert done.code == 0, done.err
    changed = {row[:2] for row in set(warehouse(file, query)) - before}
    assert changed == {("raw/orders", "2024-01-05"), ("raw/orders", "2024-01-06")}
    assert warehouse(file, loads) == published, "the shop did not change: nothing is published"
    assert summary(demo.commands.etl_assets("status").out) == summary(demo.outcome.out)


def test_the_demo_loads_its_partners_files_and_says_which_it_refused(demo: Demo) -> None:
    file, cut = demo.home / "warehouse.duckdb", shipment_files(ShopPlan()).cut
    query = "SELECT status, count(*), min(object_key) FROM etl.etl_files GROUP BY 1"
    found = {status: rest for status, *rest in warehouse(file, query)}
    assert found["refused"] == [1, cut]
    sent = {path for path in (demo.home / "partners").rglob("*.*") if path.suffix != ".json"}
    sent -= set((demo.home / "partners" / "partner_events").iterdir())
    assert found["loaded"][0] == len(sent) - 1
    out = " ".join(demo.outcome.out.split())
    assert f"published without it: {cut}: it is cut" in out
    assert "etl-assets demo drop" in out
    costs = "SELECT sum(costed_unit_count) > 20000, min(cost_amount) FROM enriched.daily_margin"
    assert warehouse(file, costs) == [(True, 0)]
    late = "SELECT count(*), count(hours_to_ship) FROM enriched.fact_shipments"
    ((parcels, known),) = warehouse(file, late)
    assert parcels > known > parcels * 0.99, "a few orders are in quarantine"


@pytest.mark.thorough
def test_a_file_that_is_dropped_is_loaded_with_what_is_made_of_it(demo: Demo) -> None:
    commands = Commands(demo.commands.environment)
    dropped = commands.etl_assets("demo", "drop")
    assert dropped.code == 0, dropped.err
    cut = shipment_files(ShopPlan()).cut
    listed = commands.etl_assets("files", "list", "raw/shipments", "--json").out
    assert [one["object"] for one in json.loads(listed) if one["status"] != "loaded"] == [cut]
    before = summary(commands.etl_assets("status").out)["raw/shipments"]
    typed = re.findall(r"^ +.venv/bin/etl-assets (.+)$", dropped.out, re.MULTILINE)
    assert len(typed) == 3
    for arguments in typed:
        done = commands.etl_assets(*arguments.split())
        assert done.code == 0, done.err
    now = summary(commands.etl_assets("status").out)
    assert now["raw/shipments"][1] > before[1] + 50
    assert {now[path][1] for path in now if path.endswith("shipments")} == {now["raw/shipments"][1]}
    assert now["raw/shipments"][3] == 0, "the warning about the cut file is gone"


def asked(home: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the demo's database of events answers."""
    server = start_postgres(home / "postgres")
    try:
        with psycopg.connect(server.url("events")) as connection:
            return connection.execute(statement.encode()).fetchall()
    finally:
        server.stop()


def test_the_demo_says_what_came_of_its_events(demo: Demo) -> None:
    told = re.search(
        r"Events of an API, files and webhooks: ([\d,]+) received, ([\d,]+) unique, (\d+) "
        r"duplicates, (\d+) superseded, ([\d,]+) late .*, (\d+) quarantined; ([\d,]+) sessions",
        " ".join(demo.outcome.out.split()),
    )
    assert told
    received, unique, *copies, late, quarantined, sessions = (
        int(number.replace(",", "")) for number in told.groups()
    )
    plan, file = ShopPlan(), demo.home / "warehouse.duckdb"
    # What was sent, counted from the payloads alone: (source, id, bytes) lands once.
    lines = [line for one in event_files(plan).values() for line in unpacked(one).splitlines()]
    items = [json.dumps(item, separators=(",", ":")).encode() for item in api_items(plan)]
    bodies = Counter(source for source, _ in {(one.source, one.body) for one in sent(plan)})
    assert received == len({*lines}) + len({*items}) + bodies.total()
    assert received == unique + sum(copies) + quarantined
    assert copies[0] == bodies["partner_webhook_relay"]
    assert min(copies[1], quarantined) > 0
    ((rows, late_rows),) = warehouse(
        file, "SELECT count(*), count(*) FILTER (received_at::date > event_date) FROM raw.events"
    )
    assert (rows, late_rows) == (unique, late)
    counted = "SELECT count(*), sum(event_count) FROM enriched.sessions"
    ((rows, events),) = warehouse(file, counted)
    usable = "SELECT count(*) FROM staged.events WHERE quality <> 'invalid'"
    assert (rows, [(events,)]) == (sessions, warehouse(file, usable))
    by_source = warehouse(file, "SELECT source, count(*) FROM raw.events GROUP BY ALL")
    assert min(count for _, count in by_source) > 500
    assert {source for source, _ in by_source} == {"shop_api", "partner_files", "partner_webhook"}


@pytest.mark.thorough
def test_webhooks_that_are_sent_become_sessions(demo: Demo) -> None:
    commands, file = Commands(demo.commands.environment), demo.home / "warehouse.duckdb"
    before = summary(commands.etl_assets("status").out)
    landed = "SELECT count(*) FROM staging_events WHERE source = 'partner_webhook'"
    ((rows,),) = asked(demo.home, landed)
    done = commands.etl_assets("demo", "send", "--count", "40")
    assert done.code == 0, done.err
    assert re.search(r"Sent 40 events to http://127.0.0.1:\d+/webhooks/partner_webhook", done.out)
    assert "3 calls with a signature of another secret were answered 401" in done.out
    assert "signed an hour ago was answered 401" in done.out
    assert "staging_events of the demo has 40 rows more." in done.out
    assert asked(demo.home, landed) == [(rows + 40,)]
    typed = re.findall(r"^ +.venv/bin/etl-assets (.+)$", done.out, re.MULTILINE)
    assert len(typed) == 2
    for arguments in typed:
        done = commands.etl_assets(*arguments.split())
        assert done.code == 0, done.err
    now = summary(commands.etl_assets("status").out)
    for path in ("raw/events", "staged/events"):
        assert now[path][1] == before[path][1] + 40
    ((events,),) = warehouse(file, "SELECT sum(event_count) FROM enriched.sessions")
    usable = "SELECT count(*) FROM staged.events WHERE quality <> 'invalid'"
    assert warehouse(file, usable) == [(events,)]
    assert postmaster(demo.home / "postgres") is None


def test_status_before_anything_is_published_says_what_to_do(tmp_path: Path) -> None:
    done = Commands({"ETL_HOME": str(tmp_path)}).etl_assets("status")
    assert (done.code, done.err) == (0, "")
    assert "etl-assets backfill" in done.out


@pytest.fixture
def production(postgres: Any, tmp_path: Path) -> Commands:
    """A database and a warehouse of the user's own, and nothing else set."""
    postgres.ensure_database("cli_shop")
    url = postgres.url("cli_shop")
    fill_shop(url, days=5, orders_a_day=20)
    fill_billing(url, days=5, orders_a_day=20)
    return Commands(
        {
            "DATABASE_URL": url,
            "DATABASE_URL_BILLING": url,
            "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
            "ETL_HOME": str(tmp_path / "home"),
        }
    )


@pytest.mark.thorough
def test_plain_dagster_materialises_a_partition(production: Commands, tmp_path: Path) -> None:
    select = ["--select", "raw/orders", "--partition", "2024-01-05"]
    done = production.dagster("asset", "materialize", "-m", "etl_assets.definitions", *select)
    assert done.code == 0, done.err
    with psycopg.connect(production.environment["DATABASE_URL"]) as connection:
        source = connection.execute(
            "SELECT count(*) FROM orders WHERE (created_at AT TIME ZONE 'UTC')::date = '2024-01-05'"
        ).fetchone()
    file = tmp_path / "warehouse.duckdb"
    assert warehouse(file, "SELECT count(*) FROM raw.orders") == [source]
    assert postmaster(tmp_path / "home" / "postgres") is None, "Dagster's own server is left"


@pytest.mark.soak  # `make check` validates them, and test_tables.py those of a company
def test_plain_dagster_validates_the_definitions(production: Commands) -> None:
    done = production.dagster("definitions", "validate")
    assert done.code == 0, done.err + done.out
    assert "Validation successful" in done.out + done.err


@pytest.mark.thorough
def test_the_demo_s_customers_are_explained_merged_and_taken_apart_again(demo: Demo) -> None:
    file = demo.home / "warehouse.duckdb"
    keys = "SELECT source_system, source_id, customer_key FROM enriched.customers ORDER BY ALL"
    before = warehouse(file, keys)
    told = re.search(r"identity explain (\S+) says", " ".join(demo.outcome.out.split()))
    assert told, "the summary names a customer of three systems"
    explained = demo.commands.etl_assets("identity", "explain", told[1])
    assert explained.code == 0, explained.err
    for system in ("shop", "crm", "billing"):
        assert f"  {system}/" in explained.out
    pair = ("shop/1", "shop/2", "--reason", "a test")
    dry = demo.commands.etl_assets("identity", "merge", *pair, "--dry-run")
    assert "become one customer" in dry.out
    assert warehouse(file, keys) == before
    merged = demo.commands.etl_assets("identity", "merge", *pair)
    assert merged.code == 0, merged.err
    found = {(system, own): key for system, own, key in warehouse(file, keys)}
    assert found["shop", "1"] == found["shop", "2"]
    assert demo.commands.etl_assets("backfill", "enriched/customers").code == 0
    again = {(system, own): key for system, own, key in warehouse(file, keys)}
    assert again == found, "a decision outlives re-runs"
    undone = demo.commands.etl_assets("identity", "unmerge", *pair)
    assert undone.code == 0, undone.err
    assert warehouse(file, keys) == before
    nobody = demo.commands.etl_assets("identity", "explain", "shop/9999999")
    assert (nobody.code, "There is no record shop/9999999" in nobody.err) == (1, True)


@pytest.mark.thorough
def test_the_commands_of_the_docs_of_dimensions_work_on_the_demo(demo: Demo) -> None:
    text = (Path(__file__).parents[2] / "docs" / "dimensions.md").read_text(encoding="utf-8")
    section = text[text.index("## Look at it") :]
    (shown,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    for line in shown.splitlines():
        done = demo.commands.etl_assets(*line.split()[1:])
        assert done.code == 0, (line, done.err)
    (query,) = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    versions = warehouse(demo.home / "warehouse.duckdb", query.strip().rstrip(";"))
    assert len(versions) > 20
    assert [until for *_, until in versions[:-1]] == [since for _, since, _ in versions[1:]]
    assert versions[-1][2] is None
