"""The catalog: what fits together is in it, upstream first; what does not is left out and named."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import ConfigError, SpecError, UnknownTable
from etl_assets.core.placing import Declared
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input, Layer, LayerTable
from etl_assets.table_modules import tables_from
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

PLAIN = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT})
WITHOUT_DAYS = contract_of({"id": pl.Int64})


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def source(name: str, **more: Any) -> TableSpec:
    return TableSpec(
        **{
            "name": name,
            "source": PostgresTable(name),
            "raw": PLAIN,
            "staged": PLAIN,
            "stage": stage,
            "description": "",
            **more,
        }
    )


def made(name: str, *inputs: str, **more: Any) -> EnrichedSpec:
    given = {path.replace("/", "_"): Input(path) for path in inputs}

    def enrich(**frames: pl.LazyFrame) -> pl.LazyFrame:
        return next(iter(frames.values()))

    return EnrichedSpec(
        **{
            "name": name,
            "contract": PLAIN,
            "inputs": given,
            "enrich": enrich,
            "description": "",
            **more,
        }
    )


def test_tables_come_upstream_first_however_they_are_named() -> None:
    catalog = Catalog.of([made("a", "enriched/b"), made("b", "staged/z"), source("z")])
    assert list(catalog) == ["raw/z", "staged/z", "enriched/b", "enriched/a"]
    assert [catalog.depth(path) for path in catalog] == [1, 2, 3, 4]
    assert catalog.errors == ()


def test_the_inputs_and_what_is_made_of_a_table_are_looked_up_by_path() -> None:
    catalog = Catalog.of([source("z"), made("b", "staged/z"), made("a", "enriched/b")])
    assert catalog.inputs_of(catalog["enriched/b"]) == {"staged_z": catalog["staged/z"]}
    assert catalog.downstream_of(["staged/z"]) == ["enriched/b", "enriched/a"]


def test_m1_two_specs_of_one_name_are_both_left_out_and_both_are_named() -> None:
    catalog = Catalog.of([source("z"), source("y"), source("z", description="Another.")])
    assert list(catalog) == ["raw/y", "staged/y"]
    assert any("both declare raw/z" in error for error in catalog.errors)
    with pytest.raises(SpecError, match="both declare"):
        catalog.table("staged/z")


def test_m1_a_table_may_not_have_the_name_of_anothers_versions() -> None:
    catalog = Catalog.of([source("z", keep_versions=True), source("z_versions")])
    assert list(catalog) == []
    assert any("both declare raw/z_versions" in error for error in catalog.errors)


def test_m1_a_circle_of_inputs_is_said_and_costs_what_depends_on_it_alone() -> None:
    specs = [
        source("z"),
        made("a", "enriched/b"),
        made("b", "enriched/c", "staged/z"),
        made("c", "enriched/a"),
        made("below", "enriched/c"),
        made("beside", "staged/z"),
    ]
    catalog = Catalog.of(specs)
    assert list(catalog) == ["raw/z", "staged/z", "enriched/beside"]
    (circle,) = (error for error in catalog.errors if "circle" in error)
    for path in ("enriched/a", "enriched/b", "enriched/c"):
        assert path in circle
    assert any("enriched/below is left out as well" in error for error in catalog.errors)


def test_m1_a_table_that_reads_itself_is_a_circle() -> None:
    catalog = Catalog.of([made("a", "enriched/a")])
    assert (list(catalog), len(catalog.errors)) == ([], 1)
    assert "enriched/a reads enriched/a, which is a circle" in catalog.errors[0]


def test_m1_two_circles_are_two_errors() -> None:
    circles = [made("a", "enriched/b"), made("b", "enriched/a"), made("c", "enriched/c")]
    catalog = Catalog.of(circles)
    assert (list(catalog), len(catalog.errors)) == ([], 2)


def test_m1_an_input_that_nobody_declares_is_named_with_what_may_be_meant() -> None:
    catalog = Catalog.of([source("orders"), made("facts", "staged/order")])
    assert "enriched/facts" not in catalog
    (error,) = catalog.errors
    assert "inputs: enriched/facts reads staged/order, which no module declares." in error
    assert "Write staged/orders" in error


def test_an_enriched_table_that_reads_raw_is_left_out_with_what_is_made_of_it_alone() -> None:
    specs = [
        source("orders"),
        made("facts", "staged/orders", "raw/orders"),
        made("of_facts", "enriched/facts"),
        made("beside", "staged/orders"),
    ]
    catalog = Catalog.of(specs)
    assert list(catalog) == ["raw/orders", "staged/orders", "enriched/beside"]
    assert catalog.errors == (
        "the spec of enriched/facts: inputs: enriched/facts reads raw/orders, and enriched tables "
        "read staged and enriched ones only. Write staged/orders.",
        "the spec of enriched/of_facts: inputs: enriched/facts is broken, so enriched/of_facts is "
        "left out as well. Mend enriched/facts first.",
    )
    with pytest.raises(SpecError, match="Write staged/orders"):
        catalog.table("enriched/facts")


def test_where_no_staged_table_has_the_name_none_is_made_up() -> None:
    (error,) = Catalog.of([made("facts", "raw/nothing")]).errors
    assert error.endswith(
        "reads raw/nothing, and enriched tables read staged and enriched ones "
        "only. Write the path of a table in staged."
    )


@dataclass(frozen=True)
class Crooked(Declared):
    """A spec whose table of one layer has an input that a spec could not say."""

    layer: Layer = Layer.STAGED
    reads: str = ""

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """Its tables, one of them changed."""
        return tuple(
            replace(table, inputs={"raw": Input(self.reads)})
            if table.layer is self.layer
            else table
            for table in super().layer_tables()
        )


@pytest.mark.parametrize(
    ("layer", "reads", "rule"),
    [
        (Layer.STAGED, "staged/a", "staged tables read raw ones only. Write raw/a."),
        (Layer.STAGED, "enriched/b", "staged tables read raw ones only. Write the path of a"),
        (Layer.RAW, "raw/a", "raw tables have no inputs. Take it out."),
    ],
)
def test_staged_tables_read_raw_and_raw_ones_nothing(layer: Layer, reads: str, rule: str) -> None:
    specs = [source("a"), made("b", "staged/a"), Crooked(source("z"), layer=layer, reads=reads)]
    catalog = Catalog.of(specs)
    assert f"inputs: {layer}/z reads {reads}, and {rule}" in catalog.errors[0]
    assert f"{layer}/z" not in catalog
    assert {"raw/a", "staged/a", "enriched/b"} <= set(catalog)


def test_m1_days_made_of_tables_without_days_are_none() -> None:
    lookup = source(
        "kinds", raw=WITHOUT_DAYS, staged=WITHOUT_DAYS, partition_column=None, cursor_column=None
    )
    catalog = Catalog.of([lookup, made("facts", "staged/kinds"), source("z")])
    (error,) = catalog.errors
    assert "partition_column: enriched/facts has days, and none of its inputs has any" in error
    both = Catalog.of([lookup, source("z"), made("facts", "staged/kinds", "staged/z")])
    assert both.errors == ()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("orders", ["raw/orders", "staged/orders"]),
        ("raw/order", ["raw/orders"]),
        ("raw_orders", ["raw/orders", "staged/orders"]),
        ("staged/ordres", ["staged/orders"]),
        ("xyz", []),
    ],
)
def test_m4_near_names_are_offered(name: str, near: list[str]) -> None:
    catalog = Catalog.of([source("orders"), source("customers")])
    assert catalog.near(name) == near
    with pytest.raises(UnknownTable, match=f"no table {name}.") as caught:
        catalog.table(name)
    assert ("Did you mean" in str(caught.value)) is bool(near)


def test_two_specs_may_read_a_table_of_one_name_of_two_databases() -> None:
    billing = source("billing_orders", source=PostgresTable("orders", connection="billing"))
    catalog = Catalog.of([source("orders"), billing])
    assert catalog.errors == ()
    assert len(catalog) == 4


TABLE = """
import polars as pl
from typing import Annotated
from etl_assets.core.contracts import Contract, column
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec

class Raw(Contract):
    id: pl.Int64 = column(description="A number.")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")

    class Config:
        unique = ["id"]

def stage(raw):
    return raw

TABLE = TableSpec(name="{name}", source=PostgresTable("{name}"), raw=Raw, staged=Raw, stage=stage,
    description="", cursor_column=None, {more})
"""

Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Package]:
    """Makes a package of table modules that can be imported; by its modules' texts."""
    numbers = count()

    def make(**modules: str) -> str:
        name = f"company_{next(numbers)}"
        folder = tmp_path / name / "tables"
        folder.mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        (folder / "__init__.py").touch()
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(text))
        return f"{name}.tables"

    with importable(tmp_path):
        yield make


def table(name: str, more: str = "") -> str:
    return TABLE.replace("{name}", name).replace("{more}", more)


def test_m6_tables_come_from_another_package_and_the_demos_are_not_there(package: Package) -> None:
    name = package(things=table("things"), helper="WORDS = ['a']")
    catalog = tables_from([name])
    assert list(catalog) == ["raw/things", "staged/things"]
    assert catalog["raw/things"].declared_in == f"{name.replace('.', '/')}/things.py"


def test_m6_tables_of_several_packages_are_one_catalog(package: Package) -> None:
    both = [package(one=table("one")), package(two=table("two"))]
    assert list(tables_from(both)) == ["raw/one", "raw/two", "staged/one", "staged/two"]


BROKEN = {
    "a syntax error": ("def broken(:\n", ["SyntaxError in line 1"]),
    "an exception": ("\n\nprice = 1 / 0\n", ["ZeroDivisionError in line 3: division by zero"]),
    "a spec that cannot be": (
        table("broken", 'partition_column="made_at"'),
        ["TableSpec broken: partition_column: Raw has no column 'made_at'."],
    ),
    "something that is no spec": ("TABLE = 7\n", ["TABLE: this is a int.", "a TableSpec"]),
    "an import of what is not there": ("import nowhere_at_all\n", ["ModuleNotFoundError"]),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_m1_a_broken_module_is_one_sentence_and_the_other_tables_go_on(
    package: Package, text: str, says: list[str]
) -> None:
    name = package(broken=text, good=table("good"))
    catalog = tables_from([name])
    assert list(catalog) == ["raw/good", "staged/good"]
    (error,) = catalog.errors
    assert error.startswith(f"{name.replace('.', '/')}/broken.py: ")
    for words in says:
        assert words in error, error
    for layer in ("raw", "staged"):
        with pytest.raises(SpecError) as caught:
            catalog.table(f"{layer}/broken")
        assert error in str(caught.value)


def test_m1_two_modules_that_declare_one_name_are_both_named(package: Package) -> None:
    catalog = tables_from([package(a=table("things"), b=table("things"), c=table("c"))])
    assert list(catalog) == ["raw/c", "staged/c"]
    assert any("a.py and" in error and "b.py: name: both" in error for error in catalog.errors)


def test_what_depends_on_a_broken_table_is_left_out_and_says_so(package: Package) -> None:
    below = """
        import polars as pl
        from {package}.broken import Raw
        """
    name = package(broken="1 / 0", good=table("good"))
    (Path(sys.path[0]) / name.replace(".", "/") / "below.py").write_text(
        textwrap.dedent(below).replace("{package}", name)
    )
    catalog = tables_from([name])
    assert list(catalog) == ["raw/good", "staged/good"]
    assert len(catalog.errors) == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [("no_such_company.tables", "cannot be imported"), ("json.decoder", "is a module and not")],
)
def test_a_package_that_is_none_is_named_with_its_variable(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"ETL_TABLES names {name}, which {says}"):
        tables_from([name])


def test_the_demos_tables_are_whole() -> None:
    assert tables_from().errors == ()
