"""A page for each table: all that its spec says, in words, and what is made of what.

Markdown, from the catalog alone, so that a page is never out of date and has no row's value in it.
Where pages are written is `cli/docs.py`; Dagster shows the same text on the assets.
"""

from collections.abc import Iterable, Iterator, Sequence

from etl_assets.core.catalog import Catalog
from etl_assets.core.check_names import custom_checks, custom_shown
from etl_assets.core.checks import ARRIVED, CHECKS, CheckSpec, Severity
from etl_assets.core.column_lineage import columns_read
from etl_assets.core.contracts import Column, frame_checks_of
from etl_assets.core.dimension import HISTORY
from etl_assets.core.policies import Thresholds
from etl_assets.core.rule_words import rules_in_words
from etl_assets.core.table import Layer, LayerTable
from etl_assets.core.table_facts import Link, cell, facts_of, origins, owners_shown
from etl_assets.core.wording import count_of

MADE = "Made by `etl-assets docs`; do not edit it by hand."
"""The line by which a page is known that may be written anew or removed."""

INDEX = "index.md"
_LAYERS = {
    Layer.RAW: "what the sources have (bronze)",
    Layer.STAGED: "raw tables cleaned and typed (silver)",
    Layer.ENRICHED: "made of staged and enriched tables (gold)",
}


def pages(catalog: Catalog) -> dict[str, str]:
    """All pages by their file, the index first: `index.md`, `raw/orders.md`."""
    tables = _published(catalog)
    return {
        INDEX: _index(catalog),
        **{
            f"{table.path}.md": _page(catalog, table, lambda path: f"[`{path}`](../{path}.md)")
            for table in tables
        },
    }


def _published(catalog: Catalog) -> list[LayerTable]:
    """The tables of the catalog, and the versions that some of them keep."""
    return [*catalog.values(), *(t.versions for t in catalog.values() if t.versions)]


def table_text(catalog: Catalog, table: LayerTable) -> str:
    """What stands on a table's page, for a place that shows title and lineage of columns itself."""
    return "\n".join(_body(catalog, table, _plain))


def _page(catalog: Catalog, table: LayerTable, link: Link) -> str:
    lines = [
        f"# {table.path}\n",
        f"{MADE} All tables: [index](../{INDEX}).\n",
        *_body(catalog, table, link),
        *_lineage(catalog, table, link),
    ]
    return "\n".join(lines) + "\n"


def _index(catalog: Catalog) -> str:
    lines = ["# Tables\n", f"{MADE}\n"]
    for layer in Layer:
        of_layer = sorted(
            (t for t in _published(catalog) if t.layer is layer), key=lambda t: t.name
        )
        if of_layer:
            rows = [
                (f"[`{t.name}`]({t.path}.md)", cell(t.description), t.domain, owners_shown(t))
                for t in of_layer
            ]
            head = ("table", "what it is", "domain", "owners")
            lines += [f"## {layer}: {_LAYERS[layer]}\n", *_table(head, rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _body(catalog: Catalog, table: LayerTable, link: Link) -> Iterator[str]:
    yield f"{cell(table.description)}\n"
    yield from (f"- {what}: {told}" for what, told in facts_of(catalog, table, link))
    yield "\n## Columns\n"
    head = ("column", "type", "unit", "null", "personal", "what it is", "checks")
    yield from _table(head, map(_column, table.columns))
    if rules := _row_rules(table):
        yield f"\nOf whole rows: {', '.join(f'`{rule}`' for rule in rules)}."
    yield "\n## Checks\n"
    checks = [_check(table.thresholds, check) for check in (*CHECKS, *table.own_checks)]
    if table.expects is not None:
        checks.append((f"`{ARRIVED.name}`", "error, keeps no day back", ARRIVED.description))
    yield from _table(("check", "if it fails", "what it demands"), checks)


def _column(column: Column) -> Sequence[str]:
    return (
        f"`{column.name}`",
        str(column.dtype),
        column.unit or "",
        "yes" if column.nullable else "no",
        "yes" if column.personal else "",
        cell(column.description),
        cell("; ".join(rules_in_words(column))),
    )


def _row_rules(table: LayerTable) -> list[str]:
    own = custom_checks(table.contract, of_columns=False)
    return [*frame_checks_of(table.contract), *map(custom_shown, own)]


def _check(thresholds: Thresholds, check: CheckSpec) -> Sequence[str]:
    severity = thresholds.severities.get(check.name, check.severity)
    blocks = {
        Severity.ERROR: "error, the day is not published",
        Severity.WARN: "warning, the day is published",
    }
    bounds = {
        "value_rules": f" Here: {thresholds.max_bad_share:.1%} of a day's rows at most.",
        "row_count_against_earlier_days": f" Here: by a factor of {thresholds.max_change:g} at "
        f"most from the median of {count_of(thresholds.history_days, 'day')}.",
        "row_count_against_published": f" Here: {thresholds.min_share_of_last:.0%} must be left.",
    }
    told = f"{check.description}{bounds.get(check.name, '')}"
    return f"`{check.name}`", blocks[severity], cell(told)


def _lineage(catalog: Catalog, table: LayerTable, link: Link) -> Iterator[str]:
    yield "\n## Where columns come from\n"
    publisher = catalog.publisher_of(table.path)
    if publisher != table.path:
        yield f"They are those of {link(publisher)}."
        return
    if table.dimension is not None:
        shape, of = table.dimension.shape, link(table.inputs[HISTORY].asset)
        told = ", ".join(f"`{name}`" for name in (*shape.key, *shape.values))
        yield f"{told}: of {of}, by `prepare`. All others are made of the history of the key."
        return
    if table.source is not None:
        rows = [(f"`{name}`", origin) for name, origin in origins(table, table.source)]
    else:
        try:
            found = columns_read(catalog, table)
        except Exception as error:  # the transform is the user's: it may raise what it likes
            yield f"Not known: the transform fails on empty tables ({type(error).__name__})."
            return
        rows = [
            (f"`{name}`", ", ".join(f"{link(path)} `{column}`" for path, column in read))
            for name, read in found.items()
        ]
    yield from _table(("column", "made of"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plain(path: str) -> str:
    return f"`{path}`"
