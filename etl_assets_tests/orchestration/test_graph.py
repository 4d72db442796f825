"""The asset graph as it is meant to be, and a code location that loads with nothing around it."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.config import Settings
from etl_assets.orchestration.build import build_definitions
from etl_assets.table_modules import tables_from
from etl_assets_tests.orchestration.shop import VERSIONS, check_names

CATALOG = tables_from()
REPOSITORY = Path(__file__).parents[2]

# key | group | kinds | owners | upstream
GRAPH = """
enriched/bridge_customer_segments | enriched | duckdb, polars | team:data | raw/customers, raw/customers_versions
enriched/customer_edges | enriched | duckdb, polars | team:data | enriched/customer_records, staged/identity_decisions
enriched/customer_over_merges | enriched | duckdb, polars | team:data | enriched/customer_records, staged/identity_decisions
enriched/customer_provenance | enriched | duckdb, polars | team:data | enriched/customer_records, staged/identity_decisions
enriched/customer_records | enriched | duckdb, polars | team:data | staged/billing_accounts, staged/crm_contacts, staged/customers
enriched/customers | enriched | duckdb, polars | team:data | enriched/customer_records, staged/identity_decisions
enriched/daily_margin | enriched | duckdb, polars | team:data | staged/order_items, staged/orders, staged/products, staged/supplier_prices
enriched/daily_revenue | enriched | duckdb, polars | team:data | enriched/fact_orders, staged/countries
enriched/dim_customers | enriched | duckdb, polars | team:data | raw/customers, raw/customers_versions
enriched/dim_date | enriched | duckdb, polars | team:data |
enriched/dim_products | enriched | duckdb, polars | team:data | raw/products, raw/products_versions
enriched/dim_supplier_prices | enriched | duckdb, polars | team:data | staged/supplier_prices
enriched/fact_order_items | enriched | duckdb, polars | team:data | enriched/dim_customers, enriched/dim_products, staged/order_items, staged/orders
enriched/fact_orders | enriched | duckdb, polars | team:data | enriched/dim_customers, staged/order_items, staged/orders
enriched/fact_shipments | enriched | duckdb, polars | team:data | staged/orders, staged/shipments
enriched/golden_customers | enriched | duckdb, polars | team:data | enriched/customer_records, staged/identity_decisions
raw/billing_accounts | raw | duckdb, polars | team:data | source/billing/billing_accounts
raw/countries | raw | duckdb, polars | team:data | source/countries
raw/crm_contacts | raw | duckdb, polars | team:data | source/crm/crm_contacts
raw/customers | raw | duckdb, polars | team:data | source/customers
raw/customers_versions | raw | duckdb | team:data | raw/customers
raw/identity_decisions | raw | duckdb, polars | team:data | source/files/identity_decisions
raw/invoices | raw | duckdb, polars | team:data | source/billing/invoices
raw/order_items | raw | duckdb, polars | team:data | source/order_items
raw/orders | raw | duckdb, polars | team:data | source/orders
raw/products | raw | duckdb, polars | team:data | source/products
raw/products_versions | raw | duckdb | team:data | raw/products
raw/sales | raw | duckdb, polars | team:data | source/sales/sales
raw/shipments | raw | duckdb, polars | team:data | source/files/shipments
raw/supplier_prices | raw | duckdb, polars | team:data | source/files/supplier_prices
source/billing/billing_accounts | source | postgres | team:data |
source/billing/invoices | source | postgres | team:data |
source/countries | source | postgres | team:data |
source/crm/crm_contacts | source | http | team:data |
source/customers | source | postgres | team:data |
source/files/identity_decisions | source | files | team:data |
source/files/shipments | source | files | team:data |
source/files/supplier_prices | source | files | team:data |
source/order_items | source | postgres | team:data |
source/orders | source | postgres | team:data |
source/products | source | postgres | team:data |
source/sales/sales | source | http | team:data |
staged/billing_accounts | staged | duckdb, polars | team:data | raw/billing_accounts
staged/countries | staged | duckdb, polars | team:data | raw/countries
staged/crm_contacts | staged | duckdb, polars | team:data | raw/crm_contacts
staged/customers | staged | duckdb, polars | team:data | raw/customers
staged/identity_decisions | staged | duckdb, polars | team:data | raw/identity_decisions
staged/invoices | staged | duckdb, polars | team:data | raw/invoices
staged/order_items | staged | duckdb, polars | team:data | raw/order_items
staged/orders | staged | duckdb, polars | team:data | raw/orders
staged/products | staged | duckdb, polars | team:data | raw/products
staged/sales | staged | duckdb, polars | team:data | raw/sales
staged/shipments | staged | duckdb, polars | team:data | raw/shipments
staged/supplier_prices | staged | duckdb, polars | team:data | raw/supplier_prices
"""  # noqa: E501 - a table


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    return build_definitions(
        Settings(home=home, first_day=date(2024, 1, 1), last_day=date(2024, 1, 30))
    )


def test_the_graph_has_these_assets_groups_kinds_owners_and_dependencies(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    lines = [
        " | ".join(
            [
                _path(key),
                graph.get(key).group_name,
                ", ".join(sorted(graph.get(key).kinds)),
                ", ".join(graph.get(key).owners),
                ", ".join(sorted(map(_path, graph.get(key).parent_keys))),
            ]
        ).strip()
        for key in sorted(graph.get_all_asset_keys())
    ]
    assert lines == GRAPH.strip().splitlines()


def test_every_asset_with_days_has_the_thirty_of_the_settings(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    without_days = set()
    for key in graph.get_all_asset_keys():
        partitions = graph.get(key).partitions_def
        if partitions is None:
            without_days.add(_path(key))
            continue
        days = partitions.get_partition_keys()
        assert (len(days), days[0], days[-1]) == (30, "2024-01-01", "2024-01-30")
    star = {path for path in without_days if "/dim_" in path or "/bridge_" in path}
    # Nobody makes a day of a source, and a day without a version lacks nothing.
    other = {path for path in without_days if path.startswith("source/")}
    other |= {path for path in without_days if path.endswith("_versions")}
    assert {path for path in other if path.endswith("_versions")} == set(VERSIONS)
    assert len(other) == len(VERSIONS) + sum(1 for table in CATALOG.values() if table.source)
    assert without_days - star - other == {
        *(f"enriched/customer_{name}" for name in ("edges", "over_merges", "provenance")),
        *("enriched/customer_records", "enriched/customers", "enriched/golden_customers"),
        *(f"{layer}/identity_decisions" for layer in ("raw", "staged")),
        *(f"{layer}/countries" for layer in ("raw", "staged")),
        *(f"{layer}/crm_contacts" for layer in ("raw", "staged")),
    }


def test_every_loaded_table_has_the_same_checks_a_day_each_and_a_source_two_more(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        names = {check.name for check in graph.get_check_keys_for_assets({key})}
        is_loaded = graph.get(key).is_materializable
        wanted = {*check_names(_path(key)), "days_refused"} if is_loaded else set()
        assert names == wanted, _path(key)
    for check in graph.asset_check_keys:
        days = graph.get(check.asset_key).partitions_def
        wanted_days = None if check.name == "days_refused" else days
        assert graph.get(check).partitions_def == wanted_days, str(check)


def test_dagster_takes_a_day_to_be_made_of_the_same_day_whatever_else_is_read(
    definitions: dg.Definitions,
) -> None:
    """Else a backfill of a few days would ask for all days after them, for the sake of a sum."""
    graph = definitions.resolve_asset_graph()
    facts = graph.get(dg.AssetKey(["enriched", "daily_margin"]))
    for name in ("products", "orders"):
        upstream = dg.AssetKey(["staged", name])
        mapping = graph.get_partition_mapping(facts.key, upstream)
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
            facts.partitions_def.subset_with_partition_keys(["2024-01-03"]),
            facts.partitions_def,
            graph.get(upstream).partitions_def,
        )
        assert list(mapped.partitions_subset.get_partition_keys()) == ["2024-01-03"]


def test_each_layer_has_a_backfill_policy_of_its_own(definitions: dg.Definitions) -> None:
    # The daemon puts layers of one policy into one run, and a bad day would take all others down.
    graph = definitions.resolve_asset_graph()
    by_layer = {
        layer: {
            graph.get(key).backfill_policy
            for key in graph.get_all_asset_keys()
            if key.path[0] == layer
            and graph.get(key).is_materializable
            and graph.get(key).partitions_def  # a backfill has nothing to cut without days
        }
        for layer in ("raw", "staged", "enriched")
    }
    assert all(len(policies) == 1 for policies in by_layer.values())
    assert len(set.union(*by_layer.values())) == 3
    assert None not in set.union(*by_layer.values())


def test_the_code_location_loads_with_an_empty_environment_and_no_driver(tmp_path: Path) -> None:
    code = (
        "import sys, etl_assets.definitions as location\n"
        "assert location.defs.resolve_asset_graph().asset_check_keys\n"
        "drivers = {'duckdb', 'psycopg', 'psycopg2', 'connectorx', 'google.cloud.bigquery'}\n"
        "print(sorted(drivers & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not any(tmp_path.iterdir()), "loading the code location wrote something"


def _path(key: dg.AssetKey) -> str:
    return "/".join(key.path)
