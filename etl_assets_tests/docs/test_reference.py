"""The reference has every name that tables and pages import from the platform, with a docstring."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import etl_assets.tables
from etl_assets_tests.docs.pages import DOCS, blocks_of, name_of, pages

_NAMED = re.compile(r"^::: (etl_assets[\w.]+)$", re.MULTILINE)
# What is documented on a page of its own, with an example that a test runs.
_ELSEWHERE = (
    "etl_assets.tables.",
    "etl_assets.conform.",
    "etl_assets.demo.",
    "etl_assets.core.identity.",
    "etl_assets.events.mapping",
)
_INTERNAL = {
    # Used by one of the demo's tables of events alone.
    "etl_assets.core.sessions.sessions_starting_on",
    # docs/conformed-customers.md shows how an application opens its connections.
    "etl_assets.postgres.connection.PoolSettings",
    "etl_assets.postgres.connection.make_engine",
    "etl_assets.core.source_specs.EVENTS_CONNECTION",
}


def referenced() -> set[str]:
    return {
        name
        for page in (DOCS / "reference").glob("*.md")
        for name in _NAMED.findall(page.read_text(encoding="utf-8"))
    }


def imported(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("etl_assets"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_what_a_table_module_imports_is_in_the_reference() -> None:
    folder = Path(etl_assets.tables.__path__[0])
    modules = [(path.name, path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    shown = [
        (f"{name_of(page)}:{block.line}", block.text)
        for page in pages()
        for block in blocks_of(page.read_text(encoding="utf-8"))
        if block.language == "python"
    ]
    asked = {name: place for place, code in [*modules, *shown] for name in imported(code)}
    assert len(asked) > 20, "the imports were not found"
    missing = {
        name: place
        for name, place in asked.items()
        if not name.startswith(_ELSEWHERE) and name not in _INTERNAL | referenced()
    }
    assert not missing


def test_what_is_in_the_reference_says_what_it_is() -> None:
    for name in referenced():
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__doc__, f"{name} has no docstring"
