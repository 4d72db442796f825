"""A field becomes a typed column: the lines for its contract, where they go, and what will not fit.

The column itself is made by `core/promoted.py` from then on, and for the past by a backfill of the
table. A module is changed only where it is plain where the lines go; else they are for a person.
"""

import ast
import json
import re
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Column
from etl_assets.core.errors import SpecError
from etl_assets.core.field_register import field_columns
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.promoted import unfit, values_of
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.platform import Platform

_TYPES: dict[str, tuple[str, pl.DataType]] = {
    "text": ("pl.String", pl.String()),
    "integer": ("pl.Int64", pl.Int64()),
    "boolean": ("pl.Boolean", pl.Boolean()),
    "date": ("pl.Date", pl.Date()),
    "timestamp": ('Annotated[pl.Datetime, "us", "UTC"]', pl.Datetime("us", "UTC")),
}
_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
_NAME = re.compile("[a-z_][a-z0-9_]*")
_LINE, _BATCH_ROWS, _RUN = 100, 131_072, "fit"

TYPES = "text, integer, decimal(18,2), boolean, date or timestamp"
"""The types as a person writes them."""


@dataclass(frozen=True)
class Promotion:
    """A column to be: of which table and field, its name, its type as code and as a dtype."""

    table: LayerTable
    json_column: Column
    field: str
    name: str
    code: str
    dtype: pl.DataType
    description: str

    @property
    def lines(self) -> str:
        """What the contract says of it, in ruff's format."""
        made_of = f"({_literal(self.json_column.name)}, {_literal(self.field)})"
        options = [
            f"description={_literal(self.description)}",
            "nullable=True",
            *(["personal=True"] if self.json_column.personal else []),
            f"from_field={made_of}",
        ]
        begin, inner = f"    {self.name}: {self.code} = column(", ", ".join(options)
        if len(begin) + len(inner) + 1 <= _LINE:
            return f"{begin}{inner})\n"
        if len(inner) + 8 <= _LINE:
            return f"{begin}\n        {inner}\n    )\n"
        return begin + "\n" + "".join(f"        {option},\n" for option in options) + "    )\n"

    @property
    def module(self) -> Path | None:
        """The file that declares the contract; None where there is none."""
        found = getattr(sys.modules.get(self.table.contract.__module__), "__file__", None)
        return Path(found) if found else None


@dataclass(frozen=True)
class Fit:
    """How the published values fit: `rows` have one that is not null, `unfit` of these do not."""

    rows: int
    unfit: int


def target_of(catalog: Catalog, table: LayerTable, column: str) -> LayerTable:
    """The table whose contract takes a promoted column: a derived one that keeps the JSON column.

    Of a table that is read it is the one that is made of it. Raises SpecError where that is not
    exactly one.
    """
    if table.source is None:
        return table
    below = [
        one
        for one in catalog.values()
        if any(given.asset == table.path for given in one.inputs.values())
        and any(found.name == column for found in field_columns(one))
    ]
    if len(below) == 1:
        return below[0]
    named = " or ".join(one.path for one in below)
    raise SpecError(
        f"{table.path} has the columns of its source, so that a field of it is promoted in a table "
        "that is derived.",
        f"Name it: {named}."
        if below
        else f"Keep {column} there, with fields=True in its contract.",
    )


def promotion(
    table: LayerTable, json_column: Column, field: str, name: str, type_: str, description: str
) -> Promotion:
    """The column `name` of type `type_` that is made of a field. Raises SpecError for a name or a
    type that cannot be."""
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot be a column's name.",
            "Write lower case letters, digits and underscores: --as loyalty_tier.",
        )
    taken = {column.name.lower(): column for column in table.columns}
    if name in taken:
        made_of = taken[name].from_field
        raise SpecError(
            f"{table.path} has a column {name} already"
            f"{f', which is made of {made_of[1]}' if made_of else ''}.",
            "Choose another name with --as.",
        )
    code, dtype = _type_of(type_)
    told = description or f"The custom field {field}."
    return Promotion(table, json_column, field, name, code, dtype, told)


def fit_of(platform: Platform, made: Promotion) -> Fit:
    """How the values fit that are published in the table now."""
    column = made.json_column.name
    days = [state.partition_key for state in platform.warehouse.seen.state(made.table)]
    window = Window(min(days), max(days)) if days else Window.of(WHOLE)
    as_declared = Column(
        made.name, made.dtype, nullable=True, description="", from_field=(column, made.field)
    )
    if days:
        # Another promotion may not be published yet.
        bring_columns(platform.warehouse, made.table, _RUN)
    rows = wrong = 0
    with platform.spool(uuid.uuid4().hex, _RUN) as folder:
        (frame,) = platform.warehouse.seen.read(made.table, [window], folder).frames
        for batch in frame.select(column).collect_batches(chunk_size=_BATCH_ROWS):
            values = values_of(batch[column], made.field, made.dtype).alias(made.name)
            misfits = unfit(batch.with_columns(values), as_declared)
            rows += values.len() - values.null_count() + misfits
            wrong += misfits
    return Fit(rows, wrong)


def write(made: Promotion) -> Path:
    """Put the lines into the contract's module, behind its last column; the file.

    Raises SpecError, and changes nothing, where it is not plain how: the class is not in the
    module, or `pl` and `column` mean something else there.
    """
    path, name = made.module, made.table.contract.__name__
    text = path.read_text(encoding="utf-8") if path else ""
    after = _with_lines(text, name, made)
    if path is None or after is None:
        raise SpecError(
            f"{made.table.declared_in} is not changed: there is no plain class {name} in it.",
            "Put the printed lines into the contract yourself.",
        )
    path.write_text(after, encoding="utf-8")
    return path


def _with_lines(text: str, contract: str, made: Promotion) -> str | None:
    """The module's text with the lines in it; None where that cannot be done safely."""
    tree = ast.parse(text)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == contract]
    columns = [n for c in classes for n in c.body if isinstance(n, ast.AnnAssign)]
    names = {
        alias.asname or alias.name: alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if len(classes) != 1 or not columns or names.get("pl") != "polars" or "column" not in names:
        return None
    lines = text.splitlines(keepends=True)
    end = columns[-1].end_lineno
    assert end is not None  # noqa: S101 - a parsed node has one
    lines.insert(end, made.lines)
    if "Annotated" in made.code and "Annotated" not in names:
        first = next(
            node
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            and getattr(node, "module", None) != "__future__"
        )
        lines.insert(first.lineno - 1, "from typing import Annotated\n\n")
    after = "".join(lines)
    compile(after, contract, "exec")
    return after


def _type_of(type_: str) -> tuple[str, pl.DataType]:
    """A type that was typed, as code of a contract and as a dtype."""
    written = type_.strip().lower()
    found = _DECIMAL.fullmatch(written)
    if found and 0 < int(found[1]) <= 38 and int(found[2]) <= int(found[1]):
        precision, scale = int(found[1]), int(found[2])
        return f"Annotated[pl.Decimal, {precision}, {scale}]", pl.Decimal(precision, scale)
    if written in _TYPES:
        return _TYPES[written]
    raise SpecError(f"{type_!r} is no type of a promoted column.", f"Write --type {TYPES}.")


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
