"""`add-table --all` on databases that nobody here designed: what is written loads, follows changes
and is reconciled, equal to what the source says by itself; and no module is edited.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import etl_assets
from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.table_modules import tables_from
from etl_assets_tests.checksums import ColumnSum, form_of, frame_sums, source_sums
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.faults.road import Road
from etl_assets_tests.importable import importable
from etl_assets_tests.scaffold.worlds import ODD, WORLDS, World
from etl_assets_tests.source_tables import reader_of, run

BIN = Path(sys.executable).parent
REPOSITORY = Path(etl_assets.__file__).parents[1]


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: world.name)
def written(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, tmp_path_factory: Any
) -> Iterator["Written"]:
    """A world whose tables were all added to a package, by the command."""
    world: World = request.param
    folder = tmp_path_factory.mktemp(world.name)
    name = f"template_{world.name}"
    postgres.ensure_database(name)
    (folder / "data").mkdir()
    world.fill(postgres.url(name), folder / "data")
    package = folder / f"{world.name}_company" / "tables"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (folder / "tests").mkdir()
    environment = {
        "DATABASE_URL": postgres.url(name),
        "ETL_TABLES": f"{world.name}_company.tables",
        "ETL_HOME": str(folder / "home"),
        "ETL_FIRST_DAY": world.first_day,
        "ETL_LAST_DAY": world.last_day,
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
    }
    with importable(folder):
        shop = Shop(postgres.url(name), folder, environment)
        done = shop.run("add-table", "--all", "--yes", *world.options)
        assert done.exit_code == (1 if world.refused else 0), done.output
        yield Written(world, postgres, name, shop, done.output, package)
    run(postgres.url("postgres"), f'DROP DATABASE "{name}" WITH (FORCE)')


class Written:
    """What the command wrote for a world."""

    def __init__(
        self,
        world: World,
        postgres: EmbeddedPostgres,
        template: str,
        shop: Shop,
        told: str,
        package: Path,
    ) -> None:
        self.world, self.shop, self.told, self.package = world, shop, told, package
        self._postgres, self._template = postgres, template

    @property
    def catalog(self) -> Catalog:
        return tables_from([f"{self.world.name}_company.tables"])

    @property
    def raw(self) -> dict[str, LayerTable]:
        return {path: table for path, table in self.catalog.items() if table.source is not None}

    def digest(self) -> str:
        texts = [path.read_text() for path in sorted(self.package.glob("*.py"))]
        return hashlib.sha256("".join(texts).encode()).hexdigest()

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A copy of the world's database, to be changed."""
        admin = self._postgres.url("postgres")
        run(admin, f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        yield self._postgres.url(name)
        run(admin, f'DROP DATABASE "{name}" WITH (FORCE)')


def in_source(url: str, table: LayerTable) -> dict[str, ColumnSum]:
    """Sums that PostgreSQL makes of the source's rows, by the rules of docs/adding-a-table.md."""
    source = table.source
    assert isinstance(source, PostgresTable)
    types = dict(
        run(
            url,
            "SELECT a.attname::text, CASE WHEN t.typcategory = 'A' THEN 'array' ELSE t.typname END "
            "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = "
            f"'{quoted(source.schema)}.{quoted(source.table)}'::regclass AND a.attnum > 0",
        )
    )
    forms = {}
    for column in table.columns:
        if column.logical != "json":
            forms[column.name] = form(column.dtype, column.in_source, types[column.in_source])
    return source_sums(url, f"{quoted(source.schema)}.{quoted(source.table)}", "TRUE", forms)


def form(dtype: Any, name: str, kind: str) -> str:
    expression = f"t.{quoted(name)}"
    if kind == "array":
        expression = (
            f"(CASE WHEN strpos(replace(coalesce(array_dims({expression}), ''), '[1:', ''), '[') "
            f"= 0 THEN to_json({expression})::text ELSE {expression}::text END)"
        )
    elif kind == "money":
        expression = f"{expression}::numeric"
    elif kind == "bpchar":
        expression = f"(CASE WHEN {expression} IS NOT NULL THEN concat({expression}) END)"
    elif kind == "float4" and str(dtype) == "Float32":
        expression = f"{expression}::float8"
    elif kind == "timestamp" and str(dtype).endswith("'UTC')"):
        expression = f"({expression} AT TIME ZONE 'UTC')"
    if str(dtype).startswith("Decimal"):
        expression = f"{expression}::numeric({dtype.precision}, {dtype.scale})"
    return form_of(KINDS[str(dtype).partition("(")[0]], expression)


KINDS = {
    **dict.fromkeys(("Int16", "Int32", "Int64"), "integer"),
    **dict.fromkeys(("Float32", "Float64"), "float"),
    "Boolean": "boolean",
    "Decimal": "decimal",
    "Datetime": "moment",
    "Date": "date",
    "Time": "time",
    "String": "text",
    "Binary": "bytes",
}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def in_warehouse(road: Road, scope: Scope) -> dict[str, ColumnSum]:
    windows = [Window(scope.first, scope.last)] if road.table.has_days else [Window.of(WHOLE)]
    assert scope.last is not None
    frame = road.warehouse.read(road.table, windows, road._folder()).frames[0].collect()
    return frame_sums(frame.select([c.name for c in road.table.columns if c.logical != "json"]))


def settle(road: Road) -> None:
    """Sync and reconcile until nothing is pending; a change may be younger than the horizon."""
    for _ in range(20):
        if road.table.syncs:
            road.sync()
        found = road.reconcile(confirmed=True)
        if found.is_equal and not found.now.pending:
            return
    raise AssertionError((road.table.path, found.now, found.differences))


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [f"{n}: {one.get(n)} and {other.get(n)}" for n in one if one.get(n) != other.get(n)]


SHARE = ("class_table", "orders", "translations")
"""What the default run has on the emulator of BigQuery, which is slow."""


@pytest.mark.thorough_but("pgbench-duckdb")
@pytest.mark.timeout(3600)
@pytest.mark.soak_for(
    "bigquery", "tpch", *(f"{world}-postgres" for world in ("flights", "pgbench"))
)
def test_what_is_added_loads_follows_changes_and_is_equal(
    written: Written, backend: Backend, tmp_path: Path
) -> None:
    follow(written, backend, tmp_path, written.raw)


@pytest.mark.thorough
@pytest.mark.parametrize("written", [ODD], indirect=True, ids=["odd"])
@pytest.mark.parametrize("backend", ["bigquery"], indirect=True)
def test_some_of_it_does_on_bigquery_in_every_run(
    written: Written, backend: Backend, tmp_path: Path
) -> None:
    follow(written, backend, tmp_path, [f"raw/{name}" for name in SHARE])


def follow(written: Written, backend: Backend, folder: Path, paths: Collection[str]) -> None:
    """Load the tables, change their source, sync and reconcile: equal both times."""
    world, before = written.world, written.digest()
    scope = Scope(date.fromisoformat(world.first_day), date.fromisoformat(world.last_day))
    warehouse = backend.open(folder)
    with written.database(f"{world.name}_{backend.name}") as url, reader_of(url) as reader:
        tables = [table for path, table in written.raw.items() if path in paths]
        assert len(tables) == len(paths) > 0
        roads = [Road(url, table, warehouse, folder, reader, scope) for table in tables]
        for road in roads:
            road.load(list(Window(scope.first, scope.last).days()))
            found = in_warehouse(road, scope)
            assert not differing(in_source(url, road.table), found), road.table.path
            assert not road.quarantined(), road.table.path
        run(url, *world.changes)
        for road in roads:
            settle(road)
            wanted, found = in_source(url, road.table), in_warehouse(road, scope)
            assert not differing(wanted, found), road.table.path
            assert not road.quarantined(), road.table.path
    warehouse.close()
    assert written.digest() == before


@pytest.mark.thorough_but("tpch")
def test_every_table_of_the_schema_is_added_or_refused_in_a_sentence(written: Written) -> None:
    rows = run(
        written.shop.url,
        "SELECT format('public.%s', relname) FROM pg_class c WHERE relnamespace = "
        "'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT EXISTS "
        "(SELECT FROM pg_inherits WHERE inhrelid = c.oid) AND NOT EXISTS "
        "(SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')",
    )
    added = {table.source.place for table in written.raw.values() if table.source}
    assert added == {name for (name,) in rows} - written.world.refused
    for name in written.world.refused:
        assert f"warning: {name} has no key: " in written.told
        assert "Say which columns tell its rows apart with --key a,b" in written.told
    assert not written.catalog.errors


@pytest.mark.thorough
@pytest.mark.soak_for("tpch", "flights", "pgbench")
def test_modules_and_tests_are_formatted_pass_ruff_and_mypy_and_the_tests_pass(
    written: Written, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, cache = written.shop.folder, tmp_path_factory.getbasetemp() / "mypy"
    names = [written.package.parent.name, "tests"]
    (folder / "pyproject.toml").write_text(RUFF)
    for command in (
        [BIN / "ruff", "format", "--diff", *names],
        [BIN / "ruff", "check", *names],
        [BIN / "mypy", "--cache-dir", cache, names[0]],
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
    ):
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, "MYPYPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


RUFF = """
[tool.ruff]
line-length = 100
target-version = "py311"

[tool.ruff.lint]
select = [
    "A", "ARG", "B", "C4", "D1", "E", "F", "I", "N", "PERF", "PIE", "PT", "PTH", "RET", "RUF", "S",
    "SIM", "T20", "TID", "UP", "W",
]
ignore = ["D104", "RUF001", "RUF003"]

[tool.ruff.lint.per-file-ignores]
"tests/**" = ["D1", "S"]

[tool.mypy]
strict = true
follow_imports = "silent"

[tool.pytest.ini_options]
pythonpath = ["."]
"""


def test_nothing_is_added_twice_and_nothing_is_overwritten(written: Written) -> None:
    before = written.digest()
    done = written.shop.run("add-table", "--all", "--yes")
    assert "0 tables added" in done.output
    first = next(iter(written.raw.values()))
    assert first.source is not None
    again = written.shop.run("add-table", first.source.place)
    assert again.exit_code == 1
    assert f"{first.source.place} is {first.path} already." in again.output
    assert written.digest() == before
