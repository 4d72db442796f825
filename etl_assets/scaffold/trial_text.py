"""The test that is written beside a module: a made-up row goes through its contracts. Pure.

What the module itself says is `module_text.py`.
"""

import re

from etl_assets.scaffold.proposal import ProposedTable
from etl_assets.scaffold.python_text import Display, docstring, flat, laid_out, text

_TESTS = """
def test_a_row_keeps_its_contracts() -> None:
    raw = rows_of(TABLE.raw, [ROW])
    assert checked(TABLE.raw, raw).broken == {}
    staged = TABLE.stage(raw.lazy()).collect()
    assert staged.schema == polars_schema(columns_of(TABLE.staged))
    assert checked(TABLE.staged, staged).broken == {}


def test_what_may_be_null_may_be_null() -> None:
    empty = {column.name: None for column in columns_of(TABLE.raw) if column.nullable}
    raw = rows_of(TABLE.raw, [{**ROW, **empty}])
    assert checked(TABLE.raw, raw).broken == {}
    assert checked(TABLE.staged, TABLE.stage(raw.lazy()).collect()).broken == {}


def test_what_must_be_there_is_missed() -> None:
    for column in columns_of(TABLE.raw):
        broken = checked(TABLE.raw, rows_of(TABLE.raw, [{**ROW, column.name: None}])).broken
        assert (f"{column.name}: not_null" in broken) is not column.nullable
"""


def trial_text(table: ProposedTable, module: str, *, is_first_party: bool = False) -> str:
    """The test of the module with that dotted name."""
    examples = [column.example for column in table.columns]
    names = [text(column.name) for column in table.columns]
    row = laid_out("ROW: dict[str, object] = ", Display(examples, "{}", names))
    standard = _standard("\n".join(map(flat, examples)))
    own = [
        "from etl_assets.core.contracts import columns_of, polars_schema",
        "from etl_assets.testing import checked, rows_of",
    ]
    mine = f"from {module} import TABLE"
    imports = sorted([*own, mine]) if is_first_party else [*own, "", mine]
    return "\n".join(
        [
            *docstring([f"The table {table.name}: what its contracts allow, and what they do not"]),
            "",
            *standard,
            *([""] if standard else []),
            *imports,
            "",
            row,
            "",
            _TESTS,
        ]
    )


def _standard(examples: str) -> list[str]:
    """The imports of what the values are made with."""
    used = [name for name in ("date", "datetime", "time") if re.search(rf"\b{name}\(", examples)]
    used = [*(["UTC"] if "tzinfo=UTC" in examples else []), *used]
    lines = [f"from datetime import {', '.join(used)}"] if used else []
    return [*lines, *(["from decimal import Decimal"] if "Decimal(" in examples else [])]
