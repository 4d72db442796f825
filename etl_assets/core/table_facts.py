"""What a spec says of a table, in words: the list at the head of its page, and where its columns
come from. The page itself is `table_pages.py`.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.computed import DayIn, shown_of
from etl_assets.core.keeping import closing_rule
from etl_assets.core.policies import Arrival, Deletes, Drift
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.table import Input, LayerTable
from etl_assets.core.wording import count_of

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


def facts_of(catalog: Catalog, table: LayerTable, link: Link) -> Iterator[tuple[str, str]]:
    """What a spec says of a table, as pairs of what it is and the words for it."""
    yield "Owners", owners_shown(table)
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
            back = f"{count_of(table.cursor.lookback, 'version')}"
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
    after = days.get(expects.days_after, f"{count_of(expects.days_after, 'day')} later")
    which = "of each weekday" if expects.every == "weekday" else "of each day"
    rows = f"at least {count_of(expects.rows, 'row')}" if expects.rows != 1 else "at least a row"
    return f"{rows} {which} must be there by {expects.by:%H:%M} {expects.zone} {after}"


def origins(table: LayerTable, source: SourceSpec) -> Iterator[tuple[str, str]]:
    """By column of a table that is read what it comes from, in words."""
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


def owners_shown(table: LayerTable) -> str:
    """Who owns the table, as Markdown."""
    return ", ".join(f"`{owner}`" for owner in table.owners)


def cell(text: str) -> str:
    """In one line, and no end of a cell."""
    return " ".join(text.split()).replace("|", "\\|")
