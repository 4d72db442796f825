"""Asset keys are made in one place: another prefix is one change, and so is another database."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input
from etl_assets.orchestration import names
from etl_assets.orchestration.build import build_definitions
from etl_assets.table_modules import tables_from
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

PLAIN = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT})
LOOKUP = contract_of({"code": pl.String, "name": pl.String}, key=["code"])


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def spec(name: str, source: PostgresTable) -> TableSpec:
    return TableSpec(name, source, PLAIN, PLAIN, stage, "")


def graph_of(catalog: Catalog, home: Path) -> dict[str, list[str]]:
    graph = build_definitions(Settings(home=home), catalog).resolve_asset_graph()
    return {
        key.to_user_string(): sorted(k.to_user_string() for k in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }


def test_another_prefix_of_all_asset_keys_is_one_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tables_from()
    before = graph_of(catalog, tmp_path)
    monkeypatch.setattr(names, "PREFIX", ("company", "shop"))
    after = graph_of(catalog, tmp_path)
    assert after == {
        f"company/shop/{key}": [f"company/shop/{parent}" for parent in parents]
        for key, parents in before.items()
    }
    assert all(names.path_of(dg.AssetKey(key.split("/"))) in before for key in after)


def test_tables_of_one_name_in_two_databases_have_keys_of_their_own(tmp_path: Path) -> None:
    orders = spec("orders", PostgresTable("orders"))
    billing = spec("billing_orders", PostgresTable("orders", connection="billing"))
    graph = graph_of(Catalog.of([orders, billing]), tmp_path)
    assert graph["raw/orders"] == ["source/orders"]
    assert graph["raw/billing_orders"] == ["source/billing/billing_orders"]


def test_one_source_table_may_be_read_by_two_specs(tmp_path: Path) -> None:
    both = [spec("a", PostgresTable("orders")), spec("b", PostgresTable("orders"))]
    graph = graph_of(Catalog.of(both), tmp_path)
    assert (graph["raw/a"], graph["raw/b"]) == (["source/a"], ["source/b"])


def test_the_lineage_of_a_parents_column_names_the_parents_asset_whatever_its_spec_is_called(
    tmp_path: Path,
) -> None:
    from etl_assets.orchestration.lineage import column_lineage

    head = spec("heads_of_billing", PostgresTable("heads", "s", connection="billing"))
    parent = Parent("heads", {"id": "id"}, {"created_at": "created_at"})
    lines = spec("lines", PostgresTable("lines", "s", parent, "billing"))
    catalog = Catalog.of([head, lines])
    lineage = column_lineage(catalog, catalog["raw/lines"])
    assert lineage is not None
    deps = {name: deps[0].asset_key.path for name, deps in lineage.deps_by_column.items()}
    assert deps["created_at"] == ["source", "billing", "heads_of_billing"]
    assert deps["id"] == ["source", "billing", "lines"]


def without_days() -> Catalog:
    kinds = TableSpec(
        "kinds",
        PostgresTable("kinds"),
        LOOKUP,
        LOOKUP,
        stage,
        "",
        partition_column=None,
        cursor_column=None,
    )

    def both(things: pl.LazyFrame, kinds: pl.LazyFrame) -> pl.LazyFrame:
        return things.join(kinds, left_on="id", right_on="code")

    inputs = {"things": Input("staged/things"), "kinds": Input("staged/kinds")}
    daily = EnrichedSpec("daily", PLAIN, inputs, both, "")
    whole = EnrichedSpec("whole", PLAIN, inputs, both, "", partition_column=None)
    return Catalog.of([kinds, spec("things", PostgresTable("things")), daily, whole])


def test_a_table_without_days_is_an_asset_without_partitions(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    graph = build_definitions(settings, without_days()).resolve_asset_graph()
    partitioned = {
        key.to_user_string(): graph.get(key).partitions_def is not None
        for key in graph.get_all_asset_keys()
    }
    assert partitioned == {
        "source/kinds": False,
        "raw/kinds": False,
        "staged/kinds": False,
        "source/things": False,
        "raw/things": True,
        "staged/things": True,
        "enriched/daily": True,
        "enriched/whole": False,
    }
    for check in graph.asset_check_keys:
        has_days = partitioned[check.asset_key.to_user_string()] and check.name != "days_refused"
        assert (graph.get(check).partitions_def is not None) is has_days, str(check)


def test_a_table_without_days_reads_every_day_of_one_that_has_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    graph = build_definitions(settings, without_days()).resolve_asset_graph()
    mapping = graph.get_partition_mapping(
        dg.AssetKey(["enriched", "whole"]), dg.AssetKey(["staged", "things"])
    )
    assert isinstance(mapping, dg.AllPartitionMapping)
