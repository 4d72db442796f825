"""An environment reads production where it has published nothing, and writes nothing there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.pipeline.diff.tables import by_code, published_sides
from etl_assets.pipeline.planned.plan import plan
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.planned.conftest import Built
from etl_assets_tests.planned.kinds import KINDS, SHOP, doubled
from etl_assets_tests.planned.physical import everything
from etl_assets_tests.planned.world import BESIDE_ORDERS, DAYS, Shop, World, changed
from etl_assets_tests.source_tables import run

DOUBLED = changed(SHOP, stage=doubled)

# On DuckDB the default run has all of it, on the other warehouses a share.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


@pytest.fixture
def production(load: Built) -> World:
    """Three days, loaded and made by the code before."""
    return load()


@pytest.fixture
def orders(load: Built, backend: Backend) -> World:
    """The same; on the emulator of BigQuery, which is slow, without what is not made of orders."""
    return load(without=BESIDE_ORDERS) if backend.name == "bigquery" else load()


def environment(world: World, shop: Shop, name: str = "dev") -> World:
    return world.with_code(shop, environment=name)


def amounts(world: World, path: str, folder: Path) -> list[tuple[Any, ...]]:
    """Id and amount as readers of this world see them."""
    table = world.platform.catalog[path]
    window = Window(DAYS[0], DAYS[-1]) if table.has_days else Window.of(WHOLE)
    found = world.platform.warehouse.seen.read(table, [window], folder / path.replace("/", "-"))
    return sorted(found.frames[0].select("id", "amount").collect().rows())


@pytest.mark.thorough_for("bigquery", "postgres")
@pytest.mark.share
def test_a_change_is_tried_on_real_days_beside_production(
    orders: World, backend: Backend, tmp_path: Path
) -> None:
    before = everything(backend, tmp_path)
    dev = environment(orders, DOUBLED)
    table = dev.platform.catalog["staged/orders"]
    assert dev.platform.late() == [], "what production has made is not made again"
    dev.make(table, DAYS[1:2])
    seen = amounts(dev, "staged/orders", tmp_path)
    assert seen == [(n, n * 20 if n % 3 == 1 else n * 10) for n in range(1, 10)]

    late = {(one.table, one.day) for one in dev.platform.late()}
    assert late == {("enriched/daily", DAYS[1])}, "of production's day nothing is made"
    assert dev.derive() == {}
    assert sum(n for _, n in amounts(dev, "enriched/totals", tmp_path)) == 450 + 120
    assert {row.table_name for row in dev.platform.warehouse.table_states()} == {
        "staged/orders",
        "enriched/daily",
        "enriched/totals",
    }
    dev.close()
    assert everything(backend, tmp_path) == before, "production is as it was"


def test_a_day_that_production_loads_makes_days_of_the_environment_late(
    production: World, tmp_path: Path
) -> None:
    dev = environment(production, DOUBLED)
    for path in ("staged/orders", "enriched/daily"):
        dev.make(dev.platform.catalog[path], DAYS)
    assert {one.table for one in dev.platform.late()} == {"enriched/totals"}
    production.sql("UPDATE orders SET amount = 7, updated_at = now() WHERE id = 3")
    live = dev.with_code(SHOP)
    assert live.load_all() == {}
    dev = environment(live, DOUBLED)
    assert ("staged/orders", DAYS[0]) in {(one.table, one.day) for one in dev.platform.late()}
    assert dev.derive() == {}
    assert (3, 14) in amounts(dev, "enriched/daily", tmp_path)


@pytest.mark.thorough
def test_a_raw_day_loaded_in_an_environment_takes_the_place_of_productions(
    production: World, tmp_path: Path
) -> None:
    production.sql("UPDATE orders SET amount = 1")
    dev = environment(production, SHOP)
    dev.load(dev.platform.catalog["raw/orders"], DAYS[:1])
    assert amounts(dev, "raw/orders", tmp_path) == [
        (n, 1 if n % 3 == 0 else n * 10) for n in range(1, 10)
    ]
    assert dev.derive() == {}
    assert [row for row in amounts(dev, "enriched/daily", tmp_path) if row[1] == 1] == [
        (3, 1),
        (6, 1),
        (9, 1),
    ]


@pytest.mark.thorough
def test_columns_that_only_the_environment_has_are_null_in_productions_days(
    production: World, tmp_path: Path
) -> None:
    case = KINDS["a column added through both layers"]
    dev = environment(production, case.after)
    raw, staged = (dev.platform.catalog[f"{one}/orders"] for one in ("raw", "staged"))
    dev.load(raw, DAYS[2:])
    dev.make(staged, DAYS[2:])
    found = dev.platform.warehouse.seen.read(
        staged, [Window(DAYS[0], DAYS[-1])], tmp_path / "channel"
    )
    channels = dict(found.frames[0].select("id", "channel").collect().iter_rows())
    assert channels == {n: "web" if n % 3 == 2 else None for n in range(1, 10)}
    late = {one.day for one in dev.platform.late() if one.table == "staged/orders"}
    assert late == set(), "what lacks the column in production's raw days waits for it"
    with pytest.raises(EtlError, match="has no values of channel yet"):
        dev.make(staged, DAYS[:1])


def test_a_dimension_is_made_in_an_environment_of_productions_versions(
    production: World, backend: Backend, tmp_path: Path
) -> None:
    before = everything(backend, tmp_path)
    dev = environment(production, changed(SHOP, tracked=("city", "tier")))
    dimension = dev.platform.catalog["enriched/dim_customers"]
    dev.make(dimension, [WHOLE])
    (frame,) = dev.platform.warehouse.read(dimension, [Window.of(WHOLE)], tmp_path / "dim").frames
    assert frame.select("id", "tier").collect().filter(id=1).rows() == [(1, "gold")]
    production.sql("UPDATE customers SET city = 'Oslo', updated_at = '2024-01-03 12:00Z'")
    dev.load(dev.platform.catalog["raw/customers"], DAYS[:1])
    assert dev.derive() == {}
    (frame,) = dev.platform.warehouse.read(dimension, [Window.of(WHOLE)], tmp_path / "two").frames
    rows = frame.filter(id=1).sort("valid_from").select("city", "is_current").collect().rows()
    assert rows == [("Rome", False), ("Oslo", True)], "versions of both are its history"
    dev.close()
    assert everything(backend, tmp_path) == before


@pytest.mark.thorough
def test_plan_and_diff_work_across(production: World, backend: Backend, tmp_path: Path) -> None:
    case = KINDS["a column added through both layers"]
    dev = environment(production, case.after)
    own = dev.platform.warehouse
    tables = list(dev.platform.catalog.values())
    live = {one.table: one for one in plan(dev.platform, own.production, tables)}
    assert live["raw/orders"].added == ["channel"]
    assert live["raw/orders"].loads.keys() == set(DAYS)
    here = {one.table: one for one in plan(dev.platform, own, tables)}
    assert here["raw/orders"].loads == {}, "no load of an environment touches production's table"

    dev = environment(dev, DOUBLED)
    staged = dev.platform.catalog["staged/orders"]
    told = by_code(dev.platform, staged, DAYS, tmp_path / "diff", 5)
    assert (told.changed, told.added, told.removed) == (9, 0, 0)
    assert dev.platform.warehouse.table_states() == [], "nothing was published"
    dev.make(staged, DAYS[:1])
    production_side = dev.platform.warehouse.production
    assert production_side is not None
    both = published_sides(
        staged, production_side, dev.platform.warehouse, DAYS[:1], tmp_path / "sides", 5
    )
    assert both.changed == 3
    assert dict(both.by_column) == {"amount": 3}
    assert (both.rows[0].key, both.rows[0].columns) == ("id=3", {"amount": (30, 60)})


def test_what_is_seen_cannot_be_written(production: World) -> None:
    dev = environment(production, SHOP)
    table = dev.platform.catalog["raw/orders"]
    own = dev.platform.warehouse
    state = own.seen.table_state(table)
    assert state is not None
    for write in (
        lambda: own.seen.ensure(table),
        lambda: own.seen.stage(table, [], "run"),
        lambda: own.seen.move(state, state.load_id, []),
        lambda: own.seen.verify(table, DAYS, state.as_of),
        lambda: own.seen.record([]),
        lambda: own.seen.migrate(),
        lambda: own.seen.put_fields(table, DAYS, []),
        lambda: own.seen.put_file_days(table, [], []),
    ):
        with pytest.raises(TypeError, match="only read"):
            write()


def test_production_itself_refuses_to_be_written_from_an_environment(
    production: World, backend: Backend, tmp_path: Path
) -> None:
    before = everything(backend, tmp_path)
    dev = environment(production, KINDS["a nullable column of the source added"].after)
    behind = dev.platform.warehouse.production
    assert behind is not None
    table = dev.platform.catalog["raw/orders"]
    state = behind.own_row(table)
    assert state is not None
    for write in (
        lambda: behind.ensure(table),
        lambda: behind.move(replace(state, load_id="x"), state.load_id, []),
        lambda: behind.verify(table, DAYS, state.as_of),
        lambda: behind.put_fields(table, DAYS, []),
    ):
        with pytest.raises((EtlError, TypeError)):
            write()
    behind.close()
    dev.close()
    assert everything(backend, tmp_path) == before


@pytest.mark.thorough_for("bigquery", "postgres")
@pytest.mark.share
def test_environments_are_listed_and_one_is_removed_with_all_that_it_has(
    orders: World, backend: Backend, tmp_path: Path
) -> None:
    before = everything(backend, tmp_path)
    for name in ("dev", "try_2"):
        dev = environment(orders, SHOP, name)
        dev.make(dev.platform.catalog["staged/orders"], DAYS[:1])
        dev.close()
    live = orders.with_code(SHOP)
    warehouse = live.platform.warehouse
    assert warehouse.environments() == ["dev", "try_2"]
    assert warehouse.drop_environment("dev")
    assert warehouse.environments() == ["try_2"]
    assert environment(live, SHOP).platform.warehouse.table_states() == []
    other = environment(live, SHOP, "try_2")
    assert [row.table_name for row in other.platform.warehouse.table_states()] == ["staged/orders"]
    other.close()
    warehouse.drop_environment("try_2")
    warehouse.close()
    assert everything(backend, tmp_path) == before


@pytest.fixture
def reader_role(database_url: str) -> str:
    """A role that may read production and make schemas of its own; its name."""
    role = f"reader_{make_url(database_url).database}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
    return role


def _as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.mark.share
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_a_role_that_may_only_read_production_works_in_an_environment(
    production: World, backend: Backend, tmp_path: Path, reader_role: str
) -> None:
    place = production.settings.warehouse_url
    assert place is not None
    production.sql(f"GRANT SELECT ON orders, countries, customers TO {reader_role}")
    run(
        place,
        f"GRANT CREATE ON DATABASE {make_url(place).database} TO {reader_role}",
        *(
            statement
            for schema in ("raw", "staged", "enriched", "etl")
            for statement in (
                f"GRANT USAGE ON SCHEMA {schema} TO {reader_role}",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader_role}",
            )
        ),
    )
    before = everything(backend, tmp_path)
    url = _as_role(place, reader_role)
    dev = production.with_code(DOUBLED, environment="dev", warehouse_url=url)
    dev.load(dev.platform.catalog["raw/orders"], DAYS[:1])
    dev.make(dev.platform.catalog["staged/orders"], DAYS)
    dev.make(dev.platform.catalog["enriched/dim_customers"], [WHOLE])
    assert dev.derive() == {}
    assert sum(n for _, n in amounts(dev, "enriched/totals", tmp_path)) == 900
    dev.close()
    as_production = production.with_code(DOUBLED, warehouse_url=url)
    with pytest.raises(EtlError, match="SQLSTATE 42501"):
        as_production.make(as_production.platform.catalog["staged/orders"], DAYS[:1])
    as_production.close()
    assert everything(backend, tmp_path) == before


@pytest.mark.thorough
def test_an_environments_tables_are_no_other_ones(production: World) -> None:
    own = environment(production, SHOP).platform.warehouse
    assert isinstance(own, Warehouse)
    assert own.table_states() == []
    assert own.production is not None
    assert len(own.production.table_states()) == 9
