"""Names that cannot be held are told before anything is loaded, with what to write (B7, B8)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column
from etl_assets.core.drift import compare
from etl_assets.core.errors import SpecError
from etl_assets.core.source_specs import Files, Parent, PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.core.table_pages import pages
from etl_assets.orchestration.lineage import column_lineage
from etl_assets.pipeline.platform import Platform
from etl_assets.warehouse.names import fitting
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

MOMENTS = {"created_at": UTC_MOMENT, "updated_at": UTC_MOMENT}
STAGED = contract_of({"id": pl.Int64, **MOMENTS})
URLS = {"duckdb": None, "postgres": "postgresql://h/d", "bigquery": "bigquery://p"}


def spec(more: dict[str, Any], options: dict[str, Any] | None = None, **changes: Any) -> TableSpec:
    raw = contract_of({"id": pl.Int64, **MOMENTS, **more}, options)
    given: dict[str, Any] = {
        "name": "things",
        "source": PostgresTable("things"),
        "raw": raw,
        "staged": STAGED,
        "stage": lambda raw: raw.select("id", *MOMENTS),
        "description": "Things.",
    }
    return TableSpec(**{**given, **changes})


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "our own, in another case": ({"_Source": pl.String}, {}, ["'_Source', which the platform"]),
    "our own of frames": ({"__day": pl.Date}, {}, ["'__day'", "a column of its own"]),
    "a pattern": ({"^x$": pl.String}, {}, ["'^x$', which Polars takes for a pattern"]),
    "every name": ({"*": pl.String}, {}, ["'*', which Polars takes for a pattern"]),
    "case": ({"ID": pl.String}, {}, ["'id' and 'ID'", "column(source_name='ID', ...)"]),
    "a parent's": (
        {"day": pl.Date},
        {"day": {"source_name": "tag"}, "source": Parent("p", {"id": "id"}, {"day": "d"})},
        ["'day' of Made has source_name='tag'", "Parent.columns"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_b7_a_name_that_nothing_can_hold_is_refused_with_what_to_write(case: str) -> None:
    more, options, says = WRONG[case]
    parent = options.pop("source", None)
    with pytest.raises(SpecError) as caught:
        spec(more, options, source=PostgresTable("things", parent=parent))
    for text in says:
        assert text in str(caught.value)
    assert "source_name" in str(caught.value)


def test_b7_a_source_name_is_for_tables_of_a_database() -> None:
    with pytest.raises(SpecError, match="'v' of Made has source_name='V', which is for columns"):
        spec(
            {"v": pl.String},
            {"v": {"source_name": "V"}},
            source=Files("things/{day:%Y-%m-%d}.csv"),
            cursor_column=None,
        )


@pytest.mark.parametrize("name", ["__v", "__typename", "_id", "class", "a^", "$", "**", "_day"])
def test_b7_names_near_to_those_are_taken(name: str) -> None:
    assert spec({name: pl.String}).layer_tables()[0].column(name).in_source == name


class Named(Contract):
    """One column of each kind of name."""

    own: pl.String = column(description="A source's own.", source_name="_source")
    kind: pl.String = column(description="A word of Python.", alias="class")
    both: pl.String = column(description="Both.", alias="two words", source_name="Two Words")

    class Config:
        unique = ("own",)


def test_b7_a_column_has_its_name_everywhere_but_at_the_source() -> None:
    source = PostgresTable("things")
    made = TableSpec(
        name="things",
        source=source,
        raw=Named,
        staged=Named,
        stage=lambda raw: raw,
        description="Things.",
        partition_column=None,
        cursor_column=None,
    )
    raw = made.layer_tables()[0]
    assert raw.key == ("own",)
    assert raw.source_columns == {"own": "_source", "class": "class", "two words": "Two Words"}
    there = [("_source", "text"), ("class", "text"), ("Two Words", "text")]
    assert not compare(raw, there, there).found
    assert compare(raw, [*there, ("own", "text")], None).added == [("own", "text")]
    catalog = Catalog.of([made])
    assert "`public.things` `_source`" in pages(catalog)["raw/things.md"]
    lineage = column_lineage(catalog, catalog["raw/things"])
    assert lineage is not None
    assert lineage.deps_by_column["own"][0].column_name == "_source"


@pytest.mark.parametrize(
    ("ignore", "says"),
    [
        ("blob", "ignore: it is one text. Write a list of names: ['blob']."),
        ([1], "ignore: it has what is no name."),
        (["id"], "ignore: it names 'id', which Made reads from the source."),
        (["Two"], "ignore: it names 'Two', which Made reads from the source."),
    ],
)
def test_b9_what_cannot_be_ignored_is_said(ignore: Any, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec({"two": pl.String}, {"two": {"source_name": "Two"}}, ignore=ignore)
    assert says in str(caught.value)
    assert spec({}, ignore=["blob"]).layer_tables()[0].ignore == ("blob",)


MANY = {f"c{n}": pl.Int32 for n in range(1_594)}
HELD: dict[str, tuple[dict[str, Any], str, str]] = {
    "long": ({"ä" * 32: pl.String}, "postgres", "would cut off after 63 bytes"),
    "of every table": ({"xmin": pl.Int64}, "postgres", "every table of PostgreSQL has"),
    "many": (MANY, "postgres", "holds 1,596 beside the 4 that the platform adds. Leave at least 1"),
    "quotes": ({'say "hi"': pl.String}, "bigquery", "column(source_name='say \"hi\"', ...)"),
    "longer": ({"x" * 301: pl.String}, "bigquery", "300 characters at most"),
    "a prefix": ({"_Partition_x": pl.String}, "bigquery", "begin as BigQuery's own names do"),
    "many more": (
        {f"c{n}": pl.Int32 for n in range(9_994)},
        "bigquery",
        "holds 9,996 beside the 4 that the platform adds. Leave at least 1",
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_b7_b8_what_one_warehouse_cannot_hold_is_told_where_it_is_configured(
    tmp_path: Path, case: str
) -> None:
    more, where, says = HELD[case]
    catalog = Catalog.of([spec(more), replace(spec({}), name="others")])
    for warehouse in ("duckdb", where):
        settings = Settings(home=tmp_path, warehouse_url=URLS[warehouse])
        found = Platform(settings, given_catalog=catalog).catalog
        assert "raw/others" in found
        assert ("raw/things" in found) is (warehouse != where)
        if warehouse != where:
            assert not found.errors
            continue
        first, second = found.errors
        assert says in first
        assert "raw/things: " in first
        assert "raw/things is broken, so staged/things is left out as well" in second
        assert fitting(found, settings) is found


@pytest.mark.parametrize(("name", "versions"), [("t" * 64, False), ("t" * 55, True)])
def test_b7_a_table_s_name_that_would_be_cut_is_told_for_its_versions_too(
    tmp_path: Path, name: str, versions: bool
) -> None:
    catalog = Catalog.of([spec({}, name=name, keep_versions=versions)])
    for url, fits in ((URLS["postgres"], False), (URLS["bigquery"], True), (None, True)):
        found = fitting(catalog, Settings(home=tmp_path, warehouse_url=url))
        assert (f"raw/{name}" in found) is fits
        assert fits or "name: PostgreSQL would cut" in found.errors[0]
    shorter = Catalog.of([spec({}, name="t" * 54, keep_versions=True)])
    assert fitting(shorter, Settings(home=tmp_path, warehouse_url=URLS["postgres"])) is shorter


def test_b8_as_many_columns_as_fit_are_taken(tmp_path: Path) -> None:
    fits = dict(list(MANY.items())[1:])
    settings = Settings(home=tmp_path, warehouse_url=URLS["postgres"])
    catalog = Catalog.of([spec(fits)])
    assert fitting(catalog, settings) is catalog


def test_b7_two_tables_that_differ_by_case_are_both_left_out() -> None:
    catalog = Catalog.of([spec({}), replace(spec({}), name="Things"), replace(spec({}), name="x")])
    assert sorted(catalog) == ["raw/x", "staged/x"]
    assert "raw/things and raw/Things" in catalog.errors[0]
    assert "by more than its case" in catalog.errors[0]
