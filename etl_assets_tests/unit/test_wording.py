"""Numbers of things are said as a person says them: never "1 rows"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import etl_assets
from etl_assets.core.wording import count_of, has_or_have, is_or_are, it_or_them

ROOT = Path(etl_assets.__file__).parent
PLURAL = re.compile(
    r" (rows|days|files|keys|objects|columns|pages|items|tables|events|values|bytes|lines|records"
    r"|versions|payloads|fields|partitions|sessions|connections)\b"
)
NAMED = ("layer", "system", "kind")
"""What stands before a plural and is no number: `staged tables`."""
BOUNDS = {
    "webhook/app.py": "a bound of the settings",
    "webhook/openapi.py": "a bound of the settings",
    "core/identity/over_merges.py": "a template of Polars",
    "core/identity/evidence.py": "a template of Polars",
}


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (-1, "-1 rows"), (1_234_567, "1,234,567 rows")],
)
def test_one_is_a_row_and_everything_else_are_rows(number: int, told: str) -> None:
    assert count_of(number, "row") == told


def test_a_plural_may_be_another_word() -> None:
    assert count_of(2, "entry") == "2 entries"
    assert count_of(1, "process", "processes") == "1 process"
    assert count_of(3, "process", "processes") == "3 processes"


def test_verbs_go_with_their_number() -> None:
    assert [(is_or_are(n), has_or_have(n), it_or_them(n)) for n in (1, 2, 0)] == [
        ("is", "has", "it"),
        ("are", "have", "them"),
        ("are", "have", "them"),
    ]


def counted_by_hand(tree: ast.AST) -> Iterator[str]:
    """Each f-string in which a value stands right before a plural."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            text = after.value if isinstance(after, ast.Constant) else ""
            if isinstance(value, ast.FormattedValue) and PLURAL.match(str(text)):
                told = ast.unparse(value.value)
                if not told.endswith(NAMED):
                    yield f"line {node.lineno}: {told}{text[:12]!r}"


def found_in(text: str) -> list[str]:
    """Only a text that has a value before a plural somewhere is worth to be parsed."""
    is_likely = re.search(r"\}" + PLURAL.pattern, text)
    return list(counted_by_hand(ast.parse(text))) if is_likely else []


def test_no_message_counts_by_hand() -> None:
    found = {
        str(path.relative_to(ROOT)): told
        for path in sorted(ROOT.rglob("*.py"))
        if str(path.relative_to(ROOT)) not in BOUNDS
        and not path.is_relative_to(ROOT / "demo")
        and (told := found_in(path.read_text()))
    }
    assert not found, "write count_of(number, 'row') of etl_assets.core.wording"


def test_the_search_finds_what_it_is_for() -> None:
    tree = ast.parse('f"{n:,} rows of {table}"; f"{table.layer} tables"; f"{n} of them"')
    assert len(list(counted_by_hand(tree))) == 1
