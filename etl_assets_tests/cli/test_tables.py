"""Names that are typed, and what is answered to those that are none."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import click
import pytest

from etl_assets.cli.tables import chosen, sources, syncing
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import SpecError
from etl_assets.core.near_names import near
from etl_assets.core.placing import Broken
from etl_assets.core.table import LayerTable
from etl_assets.table_modules import tables_from

CATALOG = tables_from()
Resolver = Callable[..., list[LayerTable]]


def refusal(resolve: Resolver, *names: str, catalog: Catalog | None = None) -> str:
    with pytest.raises(click.UsageError) as refused:
        resolve(catalog or CATALOG, names)
    return refused.value.message


def named(message: str) -> set[str]:
    """The tables that a message names."""
    return {path for path in CATALOG if re.search(rf"\b{path}\b", message)}


@pytest.mark.parametrize("resolve", [chosen, syncing, sources])
def test_a_name_is_its_table_and_no_name_all_that_fit(resolve: Resolver) -> None:
    assert [table.path for table in resolve(CATALOG, ["raw/orders"])] == ["raw/orders"]
    twice = resolve(CATALOG, ["raw/products", "raw/orders", "raw/products"])
    assert [table.path for table in twice] == ["raw/products", "raw/orders"]
    everything = [table.path for table in resolve(CATALOG, [])]
    assert everything == [path for path in CATALOG if path in everything]
    assert all(path.startswith("raw/") for path in everything) is (resolve is not chosen)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("order", {"raw/orders"}),
        ("raw/order", {"raw/orders"}),
        ("Raw/Orders", {"raw/orders"}),
        ("raw.orders", {"raw/orders"}),
        ("raw/order-items", {"raw/order_items"}),
        ("custmers", {"raw/customers"}),
        ("raw/prodcts", {"raw/products"}),
        ("/raw/orders/", {"raw/orders"}),
    ],
)
@pytest.mark.parametrize("resolve", [syncing, sources])
def test_m4_a_near_name_is_offered_alone(resolve: Resolver, typed: str, meant: set[str]) -> None:
    message = refusal(resolve, typed)
    assert typed in message
    assert "Did you mean" in message
    assert named(message) - {typed} == meant


def test_m4_a_name_without_a_layer_is_offered_in_its_layers() -> None:
    assert named(refusal(chosen, "orders")) == {"raw/orders", "staged/orders"}
    assert named(refusal(chosen, "fact_orders")) == {"enriched/fact_orders"}
    assert named(refusal(syncing, "orders")) == {"raw/orders"}
    assert "no layer" in refusal(chosen, "orders")
    assert named(refusal(chosen, "order")) == {"raw/orders", "staged/orders"}


@pytest.mark.parametrize("typed", ["xyzzy", "raw/xyzzy", "nothing/at_all", ""])
@pytest.mark.parametrize("resolve", [chosen, syncing, sources])
def test_m4_a_wrong_name_does_not_list_all_tables(resolve: Resolver, typed: str) -> None:
    message = refusal(resolve, typed)
    assert len(named(message)) <= 3
    assert len(message) < 200


def test_m4_no_more_than_three_are_near() -> None:
    paths = [f"raw/orders_{n}" for n in range(20)]
    assert len(near("raw/orders", paths)) == 3
    assert near("raw/orders_7", paths)[0] == "raw/orders_7"
    assert near("anything", []) == []


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("staged/orders", ["raw/orders"]),
        ("staged/order", ["raw/orders"]),
        ("staged/products", ["raw/products"]),
        ("enriched/fact_orders", ["raw/orders", "raw/order_items", "raw/customers"]),
    ],
)
def test_m4_a_derived_table_is_said_to_be_derived_with_the_commands_to_run(
    typed: str, read: Sequence[str]
) -> None:
    message = refusal(syncing, typed)
    assert "is derived from" in message
    assert f"etl-assets sync {' '.join(read)}, then" in message
    assert re.search(r"etl-assets derive (staged|enriched)/\w+\.$", message)
    assert "cursor" not in message


def test_m4_a_raw_table_without_a_cursor_is_loaded_by_days() -> None:
    table = replace(CATALOG["raw/orders"], cursor_column=None)
    catalog = Catalog({**CATALOG, "raw/orders": table})
    message = refusal(syncing, "raw/orders", catalog=catalog)
    assert "no cursor" in message
    assert "etl-assets backfill raw/orders" in message
    derived = refusal(syncing, "staged/orders", catalog=catalog)
    assert "tables without a cursor" in derived
    assert "raw/orders" not in [t.path for t in syncing(catalog, [])]


def test_m3_doctor_names_the_source_of_a_derived_table() -> None:
    assert "raw/orders" in refusal(sources, "staged/orders")


@pytest.mark.parametrize("resolve", [chosen, syncing, sources])
def test_m1_a_table_that_is_left_out_says_why(resolve: Resolver) -> None:
    broken = Broken("orders.py: cursor_column: no column 'updated'.", frozenset({"raw/orders"}))
    others = {path: table for path, table in CATALOG.items() if path == "raw/products"}
    with pytest.raises(SpecError, match=r"orders\.py: cursor_column"):
        resolve(Catalog(others, [broken]), ["raw/orders"])
    (one,) = resolve(Catalog(others, [broken]), [])
    assert one.path == "raw/products"
