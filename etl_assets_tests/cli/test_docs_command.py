"""`etl-assets docs`: a page for each table, true and without secrets; and the same in the UI."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from etl_assets.config import DEMO_TABLES, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.checks import Severity
from etl_assets.core.column_lineage import columns_read
from etl_assets.core.contracts import Contract, column, columns_of
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.policies import Arrival, Deletes, Drift, Thresholds
from etl_assets.core.rule_words import rules_in_words
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input
from etl_assets.core.table_pages import INDEX, pages, table_text
from etl_assets.orchestration.build import build_definitions
from etl_assets.table_modules import tables_from
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.cli.test_command import HEAVY, loaded
from etl_assets_tests.source_tables import UTC_MOMENT

CANARY = "c4n4ry"
LINK = re.compile(r"\]\(([^)]*)\)")


class Parcels(Contract):
    id: pl.Int64 = column(description="A number | with a bar.", ge=1)
    weight: pl.Float64 = column(description="How heavy.", unit="kg", in_range=(0, 30.5))
    city: pl.String = column(description="Where to.", personal=True, isin=[CANARY, "Ulm"])
    note: pl.String = column(description="As typed.", nullable=True, max_null_ratio=0.25)
    sent_at: UTC_MOMENT = column(description="When.")

    class Config:
        unique = "id"


class ParcelsOfFiles(Parcels):
    class Config:
        unique = ("id", "note")


class Weights(Contract):
    id: pl.Int64 = column(description="The parcel.")
    grams: pl.Float64 = column(description="How heavy.", unit="g")
    sent_at: UTC_MOMENT = column(description="When.")

    class Config:
        unique = "id"


def weigh(parcels: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("id", grams=pl.col("weight") * 1000, sent_at="sent_at")


def spec(source: SourceSpec | None = None, **more: Any) -> TableSpec:
    given: dict[str, Any] = {
        "name": "parcels",
        "source": source or PostgresTable("parcels"),
        "raw": Parcels,
        "staged": Parcels,
        "stage": lambda raw: raw,
        "description": "One row a parcel.",
        "partition_column": "sent_at",
        "cursor_column": None,
        **more,
    }
    return TableSpec(**given)


def by_file(source: SourceSpec) -> TableSpec:
    return spec(source, raw=ParcelsOfFiles, staged=ParcelsOfFiles)


def weights(**more: Any) -> EnrichedSpec:
    given: dict[str, Any] = {
        "name": "weights",
        "contract": Weights,
        "inputs": {"parcels": Input("staged/parcels", all_days_until=True, makes_late=False)},
        "enrich": weigh,
        "description": "One row a parcel.",
        "partition_column": "sent_at",
        **more,
    }
    return EnrichedSpec(**given)


def page(path: str, *specs: Any) -> str:
    catalog = Catalog.of(specs)
    assert catalog.errors == ()
    return pages(catalog)[f"{path}.md"]


def test_a_page_says_what_the_columns_are_and_what_they_must_be() -> None:
    text = page("staged/parcels", spec())
    assert "| `id` | Int64 |  | no |  | A number \\| with a bar. | at least `1` |" in text
    assert "| `weight` | Float64 | kg | no |  | How heavy. | from `0` to `30.5` |" in text
    assert "| `city` | String |  | no | yes | Where to. | one of 2 values |" in text
    assert "| yes |  | As typed. | at most 25% of a day are null |" in text


def test_a_page_says_where_a_table_comes_from_and_what_is_made_of_it() -> None:
    raw, staged, enriched = (
        page(f"{layer}/{name}", spec(), weights())
        for layer, name in (("raw", "parcels"), ("staged", "parcels"), ("enriched", "weights"))
    )
    assert "- Read from: `public.parcels` of the source database" in raw
    assert "- Read by: [`staged/parcels`](../staged/parcels.md)" in raw
    assert "| `weight` | `public.parcels` `weight` |" in raw
    assert "- Made of: [`raw/parcels`](../raw/parcels.md)\n" in staged
    assert "- Read by: [`enriched/weights`](../enriched/weights.md)" in staged
    assert "- Made of: [`staged/parcels`](../staged/parcels.md) (every day up to its own)" in (
        enriched
    )
    assert "- Read by: no table" in enriched
    assert "| `grams` | [`staged/parcels`](../staged/parcels.md) `weight` |" in enriched
    assert "but not when `staged/parcels` does" in enriched
    assert "source deleted" not in enriched


def test_a_page_says_the_checks_with_their_severities_and_the_policies() -> None:
    changed = spec(
        cursor_column="sent_at",
        thresholds=Thresholds(
            max_bad_share=0.025, severities={"null_ratios": Severity.WARN}, min_share_of_last=0.8
        ),
        deletes=Deletes.KEEP,
        drift=Drift.FREEZE,
        expects=Arrival(by=time(6, 30), zone="Europe/Berlin", rows=5, every="weekday"),
    )
    text = page("raw/parcels", changed)
    assert "| `null_ratios` | warning, the day is published |" in text
    assert "| `unique_key` | error, the day is not published |" in text
    assert "Here: 2.5% of a day's rows at most." in text
    assert "Here: 80% must be left." in text
    assert "| `arrived` |" in text
    assert "at least 5 rows of each weekday must be there by 06:30 Europe/Berlin on the day" in text
    assert "synced by `sent_at`, 60 seconds back" in text
    assert "- Rows that the source deleted: stay" in text
    assert "any change stops the table" in text
    assert "`schema_drift`" not in page("staged/parcels", changed)


def test_no_secret_and_no_personal_value_is_on_any_page() -> None:
    sources = [
        Files(
            "{day:%Y/%m/%d}/*.csv",
            location=f"s3://me:{CANARY}@bucket/drop?sig={CANARY}",
            file_column="note",
        ),
        HttpApi("/parcels", params={"key": CANARY}),
    ]
    for source in sources:
        text = "".join(pages(Catalog.of([by_file(source), weights()])).values())
        assert "raw/parcels" in text
        assert CANARY not in text
    text = page("raw/parcels", by_file(sources[0]))
    assert "- Read from: `s3://bucket/drop/{day:%Y/%m/%d}/*.csv` of the object store" in text
    assert "| `note` | the object itself: its day, its key or the line |" in text


CHECKS: dict[str, tuple[Mapping[str, Any], str]] = {
    "eq": ({"eq": 3}, "is `3`"),
    "gt": ({"gt": 0}, "greater than `0`"),
    "lt": ({"lt": 172800}, "less than `172800`"),
    "notin": ({"notin": [1, 2]}, "none of `1`, `2`"),
    "pattern": ({"str_matches": r"^[^@\s]+(a|b)\d{1,2}$"}, r"matches `^[^@\s]+(a|b)\d{1,2}$`"),
    "length": ({"str_length": (1, None)}, "at least 1 characters"),
    "exact length": ({"str_length": 3}, "3 characters"),
    "begin": ({"str_startswith": "a, b"}, "begins with `a, b`"),
    "two": ({"ge": 1, "le": 9}, "at least `1`; at most `9`"),
    "quotes": ({"isin": ["it's", 'a "b"']}, 'one of `it\'s`, `a "b"`'),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_checks_are_told_in_words(kind: str) -> None:
    checks, words = CHECKS[kind]
    made = column(description="", **checks)
    contract = type("One", (Contract,), {"__annotations__": {"a": pl.String}, "a": made})
    (declared,) = columns_of(contract)
    assert "; ".join(rules_in_words(declared)) == words
    assert rules_in_words(replace(declared, rules=("is_odd", "odd(1)"))) == [
        "keeps `is_odd`",
        "keeps `odd(1)`",
    ]


def test_a_transform_that_fails_on_empty_tables_costs_its_lineage_alone() -> None:
    def picky(parcels: pl.LazyFrame) -> pl.LazyFrame:
        return weigh(parcels).filter(parcels.collect().item(0, "id") == 1)

    text = page("enriched/weights", spec(), weights(enrich=picky))
    assert "## Checks" in text
    assert "Not known: the transform fails on empty tables (" in text


def test_the_command_writes_a_page_a_table_and_every_link_leads_somewhere(
    shop: Shop, tmp_path: Path
) -> None:
    out = tmp_path / "pages"
    done = shop.run("docs", "--out", str(out), ETL_TABLES=",".join(DEMO_TABLES))
    assert (done.exit_code, done.stderr) == (0, "")
    catalog = tables_from(DEMO_TABLES)
    written = {str(file.relative_to(out)) for file in out.rglob("*.md")}
    versions = {table.versions.path for table in catalog.values() if table.versions}
    assert written == {INDEX, *(f"{path}.md" for path in {*catalog, *versions})}
    assert f"Wrote {len(catalog) + len(versions)} pages." in done.stdout
    links = {
        (file.parent / target).resolve()
        for file in out.rglob("*.md")
        for target in LINK.findall(file.read_text())
    }
    assert links == {(out / name).resolve() for name in written}
    for path, table in catalog.items():
        text = (out / f"{path}.md").read_text()
        assert all(f"| `{one.name}` | {one.dtype} |" in text for one in table.columns)
        for name, read in columns_read(catalog, table).items() if table.transform else ():
            told = ", ".join(f"[`{above}`](../{above}.md) `{of}`" for above, of in read)
            assert f"| `{name}` | {told} |" in text


@pytest.mark.thorough
def test_pages_of_tables_that_are_gone_are_removed_and_no_others(
    shop: Shop, tmp_path: Path
) -> None:
    out = tmp_path / "pages"
    events = {"ETL_TABLES": ",".join(DEMO_TABLES)}
    assert shop.run("docs", "--out", str(out), **events).exit_code == 0
    by_hand = out / "raw" / "by_hand.md"
    by_hand.write_text("# Mine\n")
    done = shop.run("docs", "--out", str(out))
    assert "removed 5 pages of tables that are gone" in done.stdout
    assert not (out / "raw" / "events.md").exists()
    assert (out / "raw" / "orders.md").exists()
    assert by_hand.read_text() == "# Mine\n"
    assert "by_hand" not in (out / INDEX).read_text()


@pytest.mark.thorough
def test_the_command_imports_neither_dagster_nor_pandera(shop: Shop, tmp_path: Path) -> None:
    out, names = loaded(shop, "docs", "--out", str(tmp_path))
    assert out.startswith("Wrote ")
    assert "polars" in names, "the test cannot see what is imported"
    assert not names & set(HEAVY)


def test_the_assets_of_the_ui_have_the_same_text(tmp_path: Path) -> None:
    catalog = Catalog.of([spec(), weights()])
    definitions = build_definitions(Settings(home=tmp_path, demo=True), catalog=catalog)
    for path, table in catalog.items():
        asset = definitions.get_assets_def(dg.AssetKey(path.split("/")))
        shown = asset.metadata_by_key[asset.key]["documentation"]
        assert isinstance(shown, dg.MarkdownMetadataValue)
        assert shown.md_str == table_text(catalog, table)
        text = re.sub(r"\[(`[^`]*`)\]\([^)]*\)", r"\1", pages(catalog)[f"{path}.md"])
        assert shown.md_str in text
