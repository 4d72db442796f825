"""What docs/adding-a-table.md says to write for a kind of table is what the schema is made of."""

import re
from pathlib import Path
from typing import Any

from etl_assets.core.computed import DayIn
from etl_assets.core.cursor import Epoch, Version
from etl_assets.core.key_moments import day_of_digits
from etl_assets.core.policies import Deletes
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets_tests.kinds.schema import Table, tables

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-table.md"
NAMES: dict[str, Any] = {
    "Deletes": Deletes,
    "DayIn": DayIn,
    "Epoch": Epoch,
    "Parent": Parent,
    "PostgresTable": PostgresTable,
    "Version": Version,
    "day_of_digits": day_of_digits,
    "field": lambda **given: given,
}


def written() -> list[dict[str, Any]]:
    """What each line of the table says to write, as the values of a spec's fields."""
    section = PAGE.read_text().split("## What your table is like")[1].split("\n## ")[0]
    codes = re.findall(r"^\| [^|]+ \| `([^`|]+)` \|", section, re.MULTILINE)
    return [
        eval(f"field(source={code})" if code[0].isupper() else f"field({code})", NAMES)
        for code in codes
    ]


def of_spec(kind: Table) -> dict[str, list[Any]]:
    """The values of the same fields in the spec of one of the tables."""
    table = kind.spec()
    source = table.source
    assert isinstance(source, PostgresTable)
    plain = PostgresTable("things", only=source.only, row_security=source.row_security)
    return {
        "cursor_column": [table.cursor_column],
        "partition_column": [table.partition_column],
        "computed": [source.computed],
        "parent": [_of_any_number(source.parent)],
        "source": [plain],
        "deletes": [table.deletes],
    }


def _of_any_number(parent: Parent | None) -> Parent | None:
    return parent and Parent(parent.table.rpartition(" ")[0], parent.on, parent.columns)


def test_every_line_of_the_page_is_a_table_of_the_schema() -> None:
    made = [of_spec(kind) for kind in tables()]
    lines = written()
    assert len(lines) == 20
    for line in lines:
        ((name, value),) = line.items()
        assert any(value in fields[name] for fields in made), line


def test_the_schema_has_every_kind_beside_every_policy_of_deletes() -> None:
    cursors = {(kind.cursor, kind.deletes) for kind in tables()}
    assert len(cursors) >= 3 * 7 - 2, "a kind of cursor without a policy"
    assert len(tables()) > 60
