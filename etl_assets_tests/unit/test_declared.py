"""What a change of a declaration means, and what counts as a change of a transform."""

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_assets.core.declared.changes import Impact, changes_between
from etl_assets.core.declared.code import code_digest
from etl_assets.core.declared.columns import is_wider
from etl_assets.core.declared.declaration import declaration_of, declaration_text
from etl_assets.core.table import LayerTable
from etl_assets_tests.source_tables import contract_of, plain_table


def helper(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.head(1)


def other_helper(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.head(2)


def made(text: str, **names: Any) -> Any:
    """A function of this text, as a module of ours would have it."""
    import linecache

    file = f"<declared {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = {"__name__": __name__, "pl": pl, **names}
    exec(compile(text, file, "exec"), space)
    return space["stage"]


PLAIN = "def stage(raw):\n    return raw.select('id')\n"


@pytest.mark.parametrize(
    "text",
    [
        "def stage(raw):\n    # said\n    return raw.select(\n        'id',\n    )\n",
        'def stage(raw):\n    """What it is for."""\n    return raw.select("id")\n',
    ],
)
def test_comments_docstrings_and_layout_change_no_transform(text: str) -> None:
    assert code_digest(made(text)) == code_digest(made(PLAIN))


def test_what_a_transform_does_and_calls_is_its_text() -> None:
    digests = {
        code_digest(made(PLAIN)),
        code_digest(made(PLAIN.replace("'id'", "'key'"))),
        code_digest(made("def stage(raw):\n    return f(raw)\n", f=helper)),
        code_digest(made("def stage(raw):\n    return f(raw)\n", f=other_helper)),
        code_digest(made("def stage(raw):\n    return raw.head(N)\n", N=1)),
        code_digest(made("def stage(raw):\n    return raw.head(N)\n", N=2)),
    }
    assert len(digests) == 6


@pytest.mark.parametrize(
    ("was", "now", "wider"),
    [
        ("Int32", "Int64", True),
        ("Int64", "Int32", False),
        ("UInt32", "Int64", True),
        ("UInt32", "Int32", False),
        ("Int32", "UInt64", False),
        ("Float32", "Float64", True),
        ("Decimal(precision=9, scale=2)", "Decimal(precision=18, scale=4)", True),
        ("Decimal(precision=9, scale=2)", "Decimal(precision=9, scale=4)", False),
        ("String", "Int64", False),
    ],
)
def test_a_type_is_wider_if_it_holds_every_value(was: str, now: str, wider: bool) -> None:
    assert is_wider(was, now) is wider


def changes(before: LayerTable, now: LayerTable) -> list[tuple[str, Impact]]:
    first, second = (json.loads(json.dumps(declaration_of(one))) for one in (before, now))
    return [(change.kind, change.impact) for change in changes_between(first, second)]


def of_v(**options: Any) -> LayerTable:
    return plain_table({"v": pl.Int64}, options={"v": options})


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {"ge": 1}, ("rule added", Impact.REFUSES)),
        ({"ge": 1}, {}, ("rule removed", Impact.COMPATIBLE)),
        ({"ge": 1}, {"ge": 2}, ("rule changed", Impact.REFUSES)),
        ({"ge": 2}, {"ge": 1}, ("rule loosened", Impact.COMPATIBLE)),
        ({"le": 2}, {"le": 1}, ("rule changed", Impact.REFUSES)),
        ({"isin": [1, 2]}, {"isin": [2, 1, 3]}, ("rule loosened", Impact.COMPATIBLE)),
        ({"isin": [1, 2]}, {"isin": [1]}, ("rule changed", Impact.REFUSES)),
        ({"isin": [1, 2]}, {"isin": [2, 1]}, None),
        ({}, {"max_null_ratio": 0.1}, ("null ratio", Impact.REFUSES)),
        ({"max_null_ratio": 0.1}, {"max_null_ratio": 0.2}, ("null ratio", Impact.COMPATIBLE)),
        ({}, {"nullable": False}, ("column required", Impact.REFUSES)),
        ({"nullable": False}, {}, ("column nullable", Impact.BREAKING)),
        ({"unit": "cents"}, {"unit": "euros"}, ("unit", Impact.BREAKING)),
        ({}, {"personal": True}, ("personal", Impact.COMPATIBLE)),
        ({}, {"source_zone": "Europe/Berlin"}, ("column reading", Impact.VALUES)),
        ({}, {"description": "Another."}, None),
    ],
)
def test_a_change_of_a_column_has_one_meaning(
    before: dict[str, Any], now: dict[str, Any], expected: tuple[str, Impact] | None
) -> None:
    before, now = ({k: v for k, v in one.items() if k != "description"} for one in (before, now))
    assert changes(of_v(**before), of_v(**now)) == ([expected] if expected else [])


def test_a_renamed_column_is_one_change() -> None:
    was = plain_table({"old": pl.Int64})
    now = plain_table({"new": pl.Int64}, options={"new": {"source_name": "old"}})
    assert changes(was, now) == [("column renamed", Impact.BREAKING)]
    assert changes(was, plain_table({"new": pl.Int64})) == [
        ("column removed", Impact.BREAKING),
        ("column added", Impact.COMPATIBLE),
    ]


def test_breaking_changes_come_first_and_a_key_is_one() -> None:
    was = plain_table({"v": pl.Int64})
    schema = {column.name: column.dtype for column in was.columns}
    now = replace(was, contract=contract_of({**schema, "w": pl.Int64}, key=("id", "v")))
    assert changes(was, now) == [("key", Impact.BREAKING), ("column added", Impact.COMPATIBLE)]


def test_a_declaration_is_the_same_text_each_time_and_no_longer_than_it_must_be() -> None:
    assert declaration_text(of_v(ge=1)) == declaration_text(of_v(ge=1))
    assert "description" not in declaration_text(of_v(ge=1))
