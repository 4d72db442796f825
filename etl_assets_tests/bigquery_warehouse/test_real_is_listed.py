"""The tests that ask the real BigQuery are listed for users, each with what it proves."""

import importlib
import re
from pathlib import Path
from types import FunctionType

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "warehouses.md"
MARK = "bigquery_real"


def marked() -> dict[str, str]:
    """Docstrings of all marked tests, by name."""
    found = {}
    for path in TESTS.rglob("test_*.py"):
        if MARK not in path.read_text().lower():  # the mark itself, or the list BIGQUERY_REAL
            continue
        inside = path.relative_to(TESTS.parent).with_suffix("")
        module = importlib.import_module(".".join(inside.parts))
        for name, test in vars(module).items():
            if isinstance(test, FunctionType) and name.startswith("test_"):
                marks = [*getattr(module, "pytestmark", []), *getattr(test, "pytestmark", [])]
                if MARK in {mark.name for mark in marks}:
                    found[name] = test.__doc__ or ""
    return found


def test_the_page_lists_every_test_of_the_real_service_and_nothing_else() -> None:
    section = PAGE.read_text().split("## On the real BigQuery\n")[1].split("\n## ")[0]
    assert dict(re.findall(r"^\| `(test_\w+)` \| (.+) \|$", section, re.MULTILINE)) == marked()


def test_there_are_some_and_each_says_in_a_line_what_it_proves() -> None:
    assert len(marked()) > 20
    assert all(re.fullmatch(r"[^\n]{20,}\.", text) for text in marked().values())
