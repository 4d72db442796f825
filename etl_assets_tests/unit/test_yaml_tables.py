"""Tables in YAML: the spec that Python would make; what is wrong has its file, line and field."""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.computed import DayIn
from etl_assets.core.contracts import Contract, column, columns_of, key_of
from etl_assets.core.cursor import Epoch
from etl_assets.core.file_formats import Csv, Texts
from etl_assets.core.http_specs import CursorPages, DayWindow, HttpApi
from etl_assets.core.policies import Arrival, Deletes, Thresholds
from etl_assets.core.source_specs import Files, Parent, PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.table_modules import tables_from
from etl_assets.testing import checked, rows_of
from etl_assets_tests.importable import importable

PAYMENTS = """\
type: etl_assets.SourceTable

attributes:
  name: payments
  description: One row a payment.
  postgres:
    table: payments
    schema: shop
    connection: billing
    parent: {table: orders, "on": {order_id: id}, columns: {ordered_at: created_at}}
    computed:
      day: {kind: day_in, column: created_at, zone: Europe/Berlin}
  key: [id]
  partition_column: day
  cursor_column: updated_at
  deletes: tombstone
  keep_versions: true
  lookback: PT5M
  ignore: [photo]
  expects: {by: "06:00", zone: Europe/Berlin, rows: 3, days_after: 1}
  thresholds: {max_bad_share: 0.1}
  domain: finance
  owners: ["team:finance"]
  columns:
    - {name: id, type: int64, ge: 1, description: A number.}
    - {name: order_id, type: int32}
    - {name: amount, type: "decimal(18, 2)", ge: 0.5, nullable: true, max_null_ratio: 0.1, unit: E}
    - {name: class, type: string, isin: [a, b], personal: true, str_length: {max_value: 5}}
    - {name: day, type: date, ge: 2024-01-01}
    - {name: tags, type: list(string)}
    - {name: extra, type: json, fields: true, nullable: true}
    - {name: created_at, type: timestamp, source_zone: Europe/Berlin, ambiguous: latest}
    - {name: ordered_at, type: timestamp, nullable: true}
    - {name: updated_at, type: timestamp, source_name: Changed At}
"""


class Payments(Contract):
    id: pl.Int64 = column(description="A number.", ge=1)
    order_id: pl.Int32 = column(description="")
    amount: Annotated[pl.Decimal, 18, 2] = column(
        description="", nullable=True, max_null_ratio=0.1, unit="E", ge=Decimal("0.5")
    )
    kind: pl.String = column(
        description="", alias="class", isin=["a", "b"], personal=True, str_length={"max_value": 5}
    )
    day: pl.Date = column(description="", ge=date(2024, 1, 1))
    tags: pl.List(pl.String) = column(description="")  # type: ignore[valid-type]
    extra: pl.String = column(description="", nullable=True, logical="json", fields=True)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="", source_zone="Europe/Berlin", ambiguous="latest"
    )
    ordered_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="", nullable=True)
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="", source_name="Changed At"
    )

    class Config:
        unique = ["id"]  # noqa: RUF012 - Pandera's Config is no state


IN_PYTHON = TableSpec(
    name="payments",
    source=PostgresTable(
        "payments",
        schema="shop",
        connection="billing",
        parent=Parent("orders", on={"order_id": "id"}, columns={"ordered_at": "created_at"}),
        computed={"day": DayIn("created_at", "Europe/Berlin")},
    ),
    raw=Payments,
    staged=Payments,
    stage=lambda raw: raw,
    description="One row a payment.",
    partition_column="day",
    cursor_column="updated_at",
    deletes=Deletes.TOMBSTONE,
    keep_versions=True,
    lookback=timedelta(minutes=5),
    ignore=["photo"],
    expects=Arrival(by=time(6), zone="Europe/Berlin", rows=3, days_after=1),
    thresholds=Thresholds(max_bad_share=0.1),
    domain="finance",
    owners=("team:finance",),
)
OF_PYTHON_ALONE = {"contract", "transform", "inputs", "versions", "module", "file"}


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "yaml_company" / "tables"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        (place / "__init__.py").touch()
    with importable(tmp_path):
        yield folder


def put(package: Path, text: str, folder: str = "payments") -> Catalog:
    (package / folder).mkdir(exist_ok=True)
    (package / folder / "defs.yaml").write_text(text, encoding="utf-8")
    return tables_from(["yaml_company.tables"])


def source_of(package: Path, source: str, more: str = "") -> Any:
    text = f"""\
type: etl_assets.SourceTable
attributes:
  name: things
  key: [id]
  columns:
    - {{name: id, type: int64}}
    - {{name: day, type: date}}
    - {{name: amount, type: float64, nullable: true, text: {{decimal: ",", thousands: "."}}}}
{more}{source}
"""
    catalog = put(package, text)
    assert catalog.errors == ()
    return catalog["raw/things"]


def test_yaml_makes_the_spec_that_python_would_make(package: Path) -> None:
    catalog = put(package, PAYMENTS)
    assert catalog.errors == ()
    for expected in IN_PYTHON.layer_tables():
        found = catalog[expected.path]
        for field in fields(expected):
            if field.name not in OF_PYTHON_ALONE:
                assert getattr(found, field.name) == getattr(expected, field.name), field.name
        assert found.columns == columns_of(Payments)
        assert found.key == key_of(Payments)
        assert found.declared_in == "yaml_company/tables/payments/defs.yaml"
    assert catalog["raw/payments"].versions is not None


def test_rows_are_checked_by_it_as_by_the_class_in_python(package: Path) -> None:
    contract = put(package, PAYMENTS)["raw/payments"].contract
    at = datetime(2024, 1, 2, tzinfo=UTC)
    good = {
        "id": 1,
        "order_id": 1,
        "amount": Decimal("0.50"),
        "class": "a",
        "day": date(2024, 1, 2),
        "tags": ["x"],
        "created_at": at,
        "updated_at": at,
    }
    bad = [
        {**good, "id": 0},
        {**good, "amount": Decimal("0.49")},
        {**good, "class": "c"},
        {**good, "day": date(2023, 12, 31)},
        {**good, "order_id": None},
    ]
    rows = [good, *bad]
    found = checked(contract, rows_of(contract, rows))
    assert found.good.height == 1
    assert found.broken == checked(Payments, rows_of(Payments, rows)).broken
    assert len(found.broken) == len(bad)


def test_a_table_of_files_is_written_plainly(package: Path) -> None:
    table = put(
        package,
        """\
type: etl_assets.SourceTable
attributes:
  name: things
  key: [day, id]
  partition_column: day
  columns:
    - {name: id, type: int64}
    - {name: day, type: date}
    - {name: amount, type: float64, nullable: true, text: {decimal: ",", thousands: "."}}
  files:
    pattern: things/{day:%Y-%m-%d}.csv
    location: s3://bucket/in
    format: {kind: csv, delimiter: ";"}
    day_column: day
    missing: "null"
""",
    )["raw/things"]
    assert table.source == Files(
        "things/{day:%Y-%m-%d}.csv",
        Csv(delimiter=";"),
        location="s3://bucket/in",
        day_column="day",
        missing="null",
    )
    assert table.column("amount").text == Texts(decimal=",", thousands=".")


def test_a_list_of_an_http_api_is_written_plainly(package: Path) -> None:
    table = source_of(
        package,
        """\
  http:
    url: /things
    connection: crm
    items: data
    pagination: {kind: cursor_pages, next: meta.next}
    window: {since: from, overlap: PT1H}
    params: {limit: 100}
""",
        "  partition_column: day\n",
    )
    assert table.source == HttpApi(
        "/things",
        connection="crm",
        items="data",
        pagination=CursorPages(next="meta.next"),
        window=DayWindow(since="from", overlap=timedelta(hours=1)),
        params={"limit": 100},
    )


def test_a_cursor_may_be_several_columns_or_numbers(package: Path) -> None:
    text = PAYMENTS.replace("keep_versions: true\n  ", "")
    several = text.replace("cursor_column: updated_at", "cursor_column: [updated_at, ordered_at]")
    assert put(package, several)["raw/payments"].cursor_column == ("updated_at", "ordered_at")
    numbers = "cursor_column: {epoch: {columns: id, unit: milliseconds}}"
    counting = text.replace("cursor_column: updated_at", numbers)
    assert put(package, counting)["raw/payments"].cursor_column == Epoch("id", "milliseconds")


def test_several_documents_of_a_file_and_modules_are_one_catalog(package: Path) -> None:
    (package / "modules.py").write_text(
        "import polars as pl\n"
        "from etl_assets.core.contracts import Contract, column\n"
        "from etl_assets.core.source_specs import PostgresTable\n"
        "from etl_assets.core.spec import TableSpec\n"
        "class C(Contract):\n"
        "    id: pl.Int64 = column(description='')\n"
        "    class Config:\n        unique = ['id']\n"
        "TABLE = TableSpec(name='modules', source=PostgresTable('m'), raw=C, staged=C,\n"
        "    stage=lambda raw: raw, description='', partition_column=None, cursor_column=None)\n"
    )
    second = PAYMENTS.replace("name: payments", "name: refunds")
    catalog = put(package, f"{PAYMENTS}---\n{second}")
    names = {"modules", "payments", "refunds"}
    assert {path.partition("/")[2] for path in catalog} == names
    doubled = put(package, PAYMENTS.replace("name: payments", "name: modules"))
    assert "both declare" in doubled.errors[0]
    assert "yaml_company/tables/payments/defs.yaml" in doubled.errors[0]


def test_a_column_of_any_name_is_a_column(package: Path) -> None:
    names = ["id", "class", "Config", "two words", "_x", "column_1", "schema", "naïve", "10"]
    text = """\
type: etl_assets.SourceTable
attributes:
  name: odd
  postgres: {table: odd}
  key: [id]
  columns:
""" + "".join(f'    - {{name: "{name}", type: int64}}\n' for name in names)
    catalog = put(package, text)
    assert catalog.errors == ()
    assert [one.name for one in catalog["raw/odd"].columns] == names


WRONG = [
    ("type: int64, ge: 1", "type: int46", "line 25: columns[0].type: 'int46' is no type."),
    ("ge: 0.5", "ge: abc", "line 27: columns[2].ge: 'abc' is no value of the type decimal"),
    ("ge: 1", "ge: true", "line 25: columns[0].ge: True is no value of the type int64."),
    ("ge: 2024-01-01", "ge: 2024-13-01", "line 29: columns[4].ge: '2024-13-01' is no value of"),
    ("key: [id]", "key: [idd]", "line 13: key: it has 'idd', which is no column."),
    ("  key: [id]", "  kee: [id]", "line 13: kee: there is no such field."),
    ("  key: [id]", "  kee: [id]", "line 3: key: it is missing."),
    ("  key: [id]", "  key: [id]\n  key: [id]", "line 14: key: it stands there twice."),
    ("    table: payments", "    tabel: payments", "line 7: postgres.tabel: there is no such"),
    ("kind: day_in, ", "", "line 12: postgres.computed.day: it does not say which kind it is."),
    ("deletes: tombstone", "deletes: maybe", "line 16: deletes: 'maybe' is none of them."),
    ("updated_at\n  deletes", "changed\n  deletes", "line 15: cursor_column: payments has no"),
    ("partition_column: day", "partition_column: tags", "line 14: partition_column: "),
    ("  deletes: tombstone", "  kept_column: gone_at", "kept_column: "),
    ("  deletes: tombstone", "  drift: evolve", "line 16: drift: evolve keeps new columns"),
    (
        "  thresholds: {max_bad_share: 0.1}",
        "  thresholds: {severities: {no_such: warn}}",
        "line 21: thresholds: ",
    ),
    ("max_null_ratio: 0.1", "max_null_ratio: 3", "line 27: columns[2].max_null_ratio: "),
    ("nullable: true, max_null", "max_null", "line 27: columns[2]: max_null_ratio is for a column"),
    ("Berlin}\n  key", "Berlim}\n  key", "line 6: postgres: computed: the zone 'Europe/Berlim'"),
    ("  name: payments", "  name: [payments", "line 5: this is no YAML: "),
    ("attributes:", "post_processing: {}\nattributes:", "line 3: post_processing: "),
    ('"06:00"', '"25:00"', "line 20: expects.by: "),
    ("  postgres:\n", "  http: {url: /x}\n  postgres:\n", "a table has one of postgres, files"),
    ('"on": {', "on: {", "line 10: postgres.parent.on: YAML does not read this as a text."),
    ("attributes:", "other:", "line 3: other: "),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG, ids=[told for _, _, told in WRONG])
def test_what_is_wrong_is_a_sentence_with_file_line_and_field(
    package: Path, old: str, new: str, told: str
) -> None:
    assert old in PAYMENTS
    (package / "good").mkdir()
    (package / "good" / "defs.yaml").write_text(PAYMENTS.replace("name: payments", "name: good"))
    catalog = put(package, PAYMENTS.replace(old, new, 1))
    (error,) = catalog.errors
    assert error.startswith("yaml_company/tables/payments/defs.yaml, line ")
    assert told in error
    assert not re.search(r"Traceback|pydantic|ValidationError", error)
    python = r"Config\.|Severity\.|Deletes\.|Drift\.|\bpl\.|column\(|=None|\bNone\b"
    assert not re.search(python, error)
    assert list(catalog) == ["raw/good", "staged/good"]


def test_what_is_wrong_with_a_table_is_said_to_who_asks_for_it(package: Path) -> None:
    catalog = put(package, PAYMENTS.replace("type: int64, ge: 1", "type: int46"))
    with pytest.raises(Exception, match=r"line 25: columns\[0\].type"):
        catalog.table("raw/payments")


@pytest.mark.parametrize(
    "text", ["", "type: other.Component\n", "# etl_assets.SourceTable\n", "- 1"]
)
def test_files_of_other_components_are_left_to_dagster(package: Path, text: str) -> None:
    catalog = put(package, text)
    assert (dict(catalog), catalog.errors) == ({}, ())


def test_a_package_without_yaml_does_not_wait_for_its_reader(package: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("etl_assets.yaml_tables.doc")]:
        del sys.modules[name]
    tables_from(["yaml_company.tables"])
    assert "etl_assets.yaml_tables.documents" not in sys.modules
