"""A page for each table: all that its spec says, in words, and what is made of what.

Markdown, from the catalog alone, so that a page is never out of date and has no row's value in it.
Where pages are written is `cli/docs.py`; Dagster shows the same text on the assets.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.check_names import custom_checks, custom_shown
from etl_assets.core.checks import ARRIVED, CHECKS, CheckSpec, Severity
from etl_assets.core.column_lineage import columns_read
from etl_assets.core.computed import DayIn, shown_of
from etl_assets.core.contracts import Column, frame_checks_of
from etl_assets.core.dimension import HISTORY
from etl_assets.core.keeping import closing_rule
from etl_assets.core.policies import Arrival, Deletes, Drift, Thresholds
from etl_assets.core.rule_words import rules_in_words
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.table import Input, Layer, LayerTable

MADE = "Made by `etl-assets docs`; do not edit it by hand."
"""The line by which a page is known that may be written anew or removed."""

INDEX = "index.md"
_LAYERS = {
    Layer.RAW: "what the sources have (bronze)",
    Layer.STAGED: "raw tables cleaned and typed (silver)",
    Layer.ENRICHED: "made of staged and enriched tables (gold)",
}
_DELETES = {
    Deletes.REMOVE: "leave the table",
    Deletes.TOMBSTONE: "leave the table, and their last version is kept in `etl_tombstones`",
    Deletes.KEEP: "stay",
}
_DRIFT = {
    Drift.REPORT: "a new column is a warning and is not read",
    Drift.FREEZE: "any change stops the table until it is accepted",
    Drift.EVOLVE: "a new column is kept, with its values, in `{overflow}`",
}
Link = Callable[[str], str]
"""From a table's path to what stands for it in the text."""


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
                (f"[`{t.name}`]({t.path}.md)", _cell(t.description), t.domain, _owners(t))
                for t in of_layer
            ]
            head = ("table", "what it is", "domain", "owners")
            lines += [f"## {layer}: {_LAYERS[layer]}\n", *_table(head, rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _body(catalog: Catalog, table: LayerTable, link: Link) -> Iterator[str]:
    yield f"{_cell(table.description)}\n"
    yield from (f"- {what}: {told}" for what, told in _facts(catalog, table, link))
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


def _facts(catalog: Catalog, table: LayerTable, link: Link) -> Iterator[tuple[str, str]]:
    yield "Owners", _owners(table)
    yield "Domain", table.domain
    if table.module:
        yield "Declared in", f"`{table.declared_in}`"
    yield "Key", ", ".join(f"`{name}`" for name in table.key)
    yield "Partitions", _days(table) if table.has_days else "none, replaced as a whole"
    if table.source is not None:
        yield "Read from", f"`{_place(table.source)}` of {table.source.system}{_part(table.source)}"
    else:
        made = [f"{link(given.asset)}{_how(given)}" for given in table.inputs.values()]
        publisher = catalog.publisher_of(table.path)
        if publisher != table.path:
            made = [f"{link(publisher)}, with each publication of it"]
        yield "Made of", ", ".join(made) or "nothing but its module"
    reading = [
        link(path)
        for path, other in catalog.items()
        if any(given.asset == table.path for given in other.inputs.values())
    ]
    yield "Read by", ", ".join(reading) or "no table"
    if table.versions:
        yield "Versions", f"every one that was seen is kept in {link(table.versions.path)}"
    yield "Freshness", _freshness(table)
    if table.source is not None:
        yield "Rows that the source deleted", _deleted(table)
        yield (
            "Changes of the source's columns",
            _DRIFT[table.drift].format(overflow=table.overflow_column),
        )
        if table.ignore:
            yield "Left out on purpose", ", ".join(f"`{name}`" for name in table.ignore)


def _deleted(table: LayerTable) -> str:
    told = _DELETES[table.deletes]
    if table.keep_before is not None:
        told = f"stay in closed days, and leave others: {closing_rule(table)}"
    elif table.is_of_files and table.deletes is Deletes.KEEP:
        told = "stay where their object is gone, until their day is loaded by hand"
    if table.kept_column is not None:
        told += f"; `{table.kept_column}` says since when the source has no such row"
    return told


def _days(table: LayerTable) -> str:
    """Which day a row belongs to."""
    name = table.day_column
    source = table.source
    given = source.computed.get(name) if isinstance(source, PostgresTable) else None
    if isinstance(given, DayIn):
        return f"days of `{name}`, {shown_of(given)}"
    return f"{'' if table.column(name).dtype == pl.Date else 'UTC '}days of `{name}`"


def _how(given: Input) -> str:
    """What of an input a day reads, where that is not its own day alone."""
    if given.as_of is not None:
        return " (the version that held at the time of each row)"
    if given.all_days_until:
        return " (every day up to its own)"
    if given.is_window:
        return f" (its own day, {given.days_before} before and {given.days_after} after it)"
    return ""


def _freshness(table: LayerTable) -> str:
    if table.source is None:
        quiet = [f"`{g.asset}`" for g in table.inputs.values() if not g.makes_late]
        rest = f", but not when {' or '.join(quiet)} does" if quiet else ""
        return f"made again when what it is made of changes{rest}"
    told = [_expected(table.expects)] if table.expects else []
    if table.syncs and table.cursor:
        back = f"{table.lookback.total_seconds():g} seconds"
        if not table.cursor.has_moments:
            back = f"{table.cursor.lookback} versions"
        told.append(f"synced by `{table.cursor.shown}`, {back} back from the last position")
    elif table.source.OF_OBJECTS:
        told.append("a day is loaded when its objects come or change")
    elif table.source.POLLED:
        told.append("its last days are loaded by the clock")
    else:
        told.append("loaded by days, and compared with the source at night")
    return "; ".join(told)


def _expected(expects: Arrival) -> str:
    days = {0: "on the day itself", 1: "on the next day"}
    after = days.get(expects.days_after, f"{expects.days_after} days later")
    which = "of each weekday" if expects.every == "weekday" else "of each day"
    rows = f"at least {expects.rows:,} rows" if expects.rows != 1 else "at least a row"
    return f"{rows} {which} must be there by {expects.by:%H:%M} {expects.zone} {after}"


def _column(column: Column) -> Sequence[str]:
    return (
        f"`{column.name}`",
        str(column.dtype),
        column.unit or "",
        "yes" if column.nullable else "no",
        "yes" if column.personal else "",
        _cell(column.description),
        _cell("; ".join(rules_in_words(column))),
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
        f"most from the median of {thresholds.history_days} days.",
        "row_count_against_published": f" Here: {thresholds.min_share_of_last:.0%} must be left.",
    }
    told = f"{check.description}{bounds.get(check.name, '')}"
    return f"`{check.name}`", blocks[severity], _cell(told)


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
        rows = [(f"`{name}`", origin) for name, origin in _from_source(table, table.source)]
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


def _from_source(table: LayerTable, source: SourceSpec) -> Iterator[tuple[str, str]]:
    parent = source.parent if isinstance(source, PostgresTable) else None
    for column in table.columns:
        origin = f"`{_place(source)}` `{column.in_source}`"
        if parent is not None and column.name in parent.columns:
            origin = f"`{parent.table}` `{parent.columns[column.name]}`"
        elif isinstance(source, PostgresTable) and column.name in source.computed:
            origin = shown_of(source.computed[column.name])
        elif isinstance(source, Files) and column.name in source.borrowed:
            origin = "the object itself: its day, its key or the line"
        elif column.name == table.kept_column:
            origin = "the moment when the row was found to be gone from the source"
        elif column.name == table.overflow_column:
            origin = "the columns that the contract does not have"
        yield column.name, origin


def _place(source: SourceSpec) -> str:
    """What the outside system calls it; of a URL neither user nor parameters."""
    if isinstance(source, Files) and source.location:
        return f"{_without_secrets(source.location).rstrip('/')}/{source.pattern}"
    return _without_secrets(source.place)


def _part(source: SourceSpec) -> str:
    """Which rows of it are meant, where that is not all."""
    told = ""
    if isinstance(source, PostgresTable) and source.only:
        told += ", without the rows of tables that inherit from it"
    if isinstance(source, PostgresTable) and source.row_security:
        told += ", as far as row security shows its rows to the reader"
    return told


def _without_secrets(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _cell(text: str) -> str:
    """In one line, and no end of a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _owners(table: LayerTable) -> str:
    return ", ".join(f"`{owner}`" for owner in table.owners)


def _plain(path: str) -> str:
    return f"`{path}`"
