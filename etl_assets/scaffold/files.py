"""From what a sample of files says (`sources/files/propose/`) to a table of the platform.

How files are sampled and what their columns are guessed to be is decided there.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.file_formats import Csv, FileFormat
from etl_assets.scaffold.guessed import guessed_column
from etl_assets.scaffold.names import shown, table_name
from etl_assets.scaffold.proposal import ProposedColumn, ProposedTable, Reason
from etl_assets.scaffold.python_text import Call, Expression, flat, text, value
from etl_assets.sources.files.propose.contract_names import on_the_key
from etl_assets.sources.files.propose.found_table import FoundTable
from etl_assets.sources.files.propose.place import proposed
from etl_assets.sources.files.propose.sample import kind_of

_SHOWN_IN_FULL = {"delimiter", "quote", "header", "encoding"}


def is_of_files(source: str) -> bool:
    """Whether what was typed names files: a URL of a store, a path, or a pattern of one."""
    scheme, found, _ = source.partition("://")
    if found:
        return scheme.lower() in {"s3", "gs", "az", "file", "abfs", "gcs"}
    return "/" in source or any(sign in source for sign in "*?") or Path(source).exists()


def propose_files(
    settings: ObjectStoreSettings, source: str, name: str | None, kind: str | None = None
) -> ProposedTable:
    """The table of the files below a place; its format is that of `kind`, or of the pattern's end.

    Raises ConfigError for what is no place, SourceError where nothing is there or its format is not
    known, and what the store raises.
    """
    return of_files(found_files(settings, source, name, kind))


def found_files(
    settings: ObjectStoreSettings, source: str, name: str | None, kind: str | None = None
) -> FoundTable:
    """What a sample of them says; raises the same."""
    of_pattern = kind_of(source) if any(sign in source for sign in "*?") else None
    return proposed(settings, source, name, kind or (of_pattern.value if of_pattern else None))


def of_files(found: FoundTable) -> ProposedTable:
    """The same of a sample that was taken already."""
    proposal, names = found.proposal, found.names
    columns = [
        guessed_column(guess, attribute, f"{guess.name}, as the files have it.")
        for attribute, guess in names.columns.items()
    ]
    columns += list(_borrowed(found))
    left_out = [
        f"{json.dumps(name, ensure_ascii=False)} of the files is not declared: {why}."
        for name, why in names.left_out.items()
    ]
    spec: dict[str, Expression] = {}
    if names.overflow:
        spec = {"drift": "Drift.EVOLVE", "overflow_column": text(names.overflow)}
    days = names.day or "none"
    return ProposedTable(
        table_name(found.name),
        f"{found.location.rstrip('/')}/{found.pattern}" if found.location else found.pattern,
        f"A row of the files of {found.name}",
        f"The rows of the files of {found.name}.",
        columns,
        found.key,
        _source(found),
        _imports(found, columns),
        names.day,
        "None",
        spec,
        [
            Reason("key", ", ".join(found.key), " ".join(on_the_key(proposal, names, found.key))),
            Reason("day", days, "the keys of the files say it" if names.day else "no key says it"),
            Reason("cursor", "none", "files have none: an object that changed is read again"),
        ],
        [*proposal.notes, *left_out, *_personal(columns)],
        f"a sample: {found.read}",
        domain="files",
    )


def _borrowed(found: FoundTable) -> Iterator[ProposedColumn]:
    """The columns that no file has."""
    import polars as pl

    names = found.names
    if names.overflow:
        options = {"nullable": True, "logical": "json"}
        what = "What the contract does not declare."
        yield ProposedColumn(
            names.overflow, names.overflow, pl.String(), True, what, options=options
        )
    if names.day:
        what = "The day that the object's key says."
        yield ProposedColumn(
            names.day, names.day, pl.Date(), False, what, example="date(2024, 1, 1)"
        )
    what = "The object that the row is in."
    yield ProposedColumn(names.file, names.file, pl.String(), False, what, example='"a.csv"')
    what = "The line in it."
    yield ProposedColumn(names.line, names.line, pl.Int64(), False, what, example="1")


def _source(found: FoundTable) -> Expression:
    names = found.names
    arguments: list[tuple[str, Expression]] = [
        ("", text(found.pattern)),
        ("format", _format(found.proposal.format)),
    ]
    if found.location:
        arguments.append(("location", text(found.location)))
    if names.day:
        arguments.append(("day_column", text(names.day)))
    arguments += [("file_column", text(names.file)), ("line_column", text(names.line))]
    if found.proposal.sampled.missing:
        arguments.append(("missing", text("null")))
    return Call("Files", arguments)


def _format(given: FileFormat) -> Expression:
    if not isinstance(given, Csv):
        return f"{type(given).__name__}()"
    plain = Csv()
    changed = [
        (f.name, value(getattr(given, f.name)))
        for f in fields(given)
        if f.name in _SHOWN_IN_FULL or getattr(given, f.name) != getattr(plain, f.name)
    ]
    return Call("Csv", changed)


def _imports(found: FoundTable, columns: list[ProposedColumn]) -> Mapping[str, list[str]]:
    formats = [type(found.proposal.format).__name__]
    if any("text" in column.options for column in columns):
        formats.append("Texts")
    return {
        "etl_assets.core.file_formats": formats,
        "etl_assets.core.source_specs": ["Files"],
        **({"etl_assets.core.policies": ["Drift"]} if found.names.overflow else {}),
    }


def _personal(columns: list[ProposedColumn]) -> Iterator[str]:
    found = [column.name for column in columns if column.options.get("personal")]
    if found:
        yield f"Personal columns, by their names: {shown(found, 8)}. Look at the others."


def told(table: ProposedTable, found: FoundTable, module: str) -> Mapping[str, object]:
    """The same for programs, with the module as `module`."""
    return {
        "table": table.name,
        "location": found.location or None,
        "pattern": found.pattern,
        "format": flat(_format(found.proposal.format)),
        "key": list(table.key),
        "columns": [
            {
                "name": guess.name,
                "dtype": str(guess.dtype),
                "nullable": guess.nullable,
                "notes": list(guess.notes),
            }
            for guess in found.names.columns.values()
        ],
        "left_out": dict(found.names.left_out),
        "notes": list(found.proposal.notes),
        "objects_read": list(found.proposal.read),
        "rows_read": found.proposal.sampled.rows,
        "module": module,
    }
