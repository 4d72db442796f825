"""docs/conformed-customers.md names the columns, the fields and the rules that there are."""

import importlib
import re
from pathlib import Path

from etl_assets.conform.schema.billing import BillingAccount
from etl_assets.conform.schema.crm import CrmContact
from etl_assets.core.contracts import column_names
from etl_assets.tables.customer_records import CustomerRecords
from etl_assets.tables.customers import RawCustomers

PAGE = (Path(__file__).parents[2] / "docs" / "conformed-customers.md").read_text()


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_column_has_its_field_in_each_system() -> None:
    rows = table_below("From field to column")
    assert [f"{row[0]}" for row in rows] == [
        f"`{name}`" for name in column_names(CustomerRecords) if name != "source_system"
    ]
    known = [column_names(RawCustomers), CrmContact.model_fields, BillingAccount.model_fields]
    for _, *fields in rows:
        for field, names in zip(fields, known, strict=True):
            named = re.findall(r"`([a-z_]+)[`.]", field)
            assert {name for name in named if name != "vip"} <= set(names), field


def test_each_rule_that_is_named_is_there() -> None:
    for cell, *_ in table_below("The rules"):
        module = ""
        for name in re.findall(r"`([a-z_.]+)`", cell):
            module, _, rule = name.rpartition(".") if "." in name else (module, "", name)
            rules = importlib.import_module(f"etl_assets.conform.rules.{module}")
            assert callable(getattr(rules, rule))
