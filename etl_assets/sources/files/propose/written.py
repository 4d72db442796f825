"""Dtypes, options and comments as a Python module has them written."""

import json
import textwrap
from dataclasses import fields

import polars as pl

from etl_assets.core.contracts import struct_fields
from etl_assets.core.file_formats import Csv, FileFormat, Texts
from etl_assets.sources.files.propose.guess import Guess

_WIDTH = 96


def literal(value: object) -> str:
    """A text, a boolean, None or a tuple of these, with double quotes where that is as short."""
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    text = repr(value)
    is_plain = isinstance(value, str) and text[0] == "'" and '"' not in text and "\\" not in text
    return f'"{text[1:-1]}"' if is_plain else text


def column_text(attribute: str, guess: Guess) -> str:
    """The column of the contract, declared."""
    options = []
    if attribute != guess.name:
        options.append(f"alias={literal(guess.name)}")
    if guess.nullable:
        options.append("nullable=True")
    if guess.logical:
        options.append(f'logical="{guess.logical}"')
    if guess.text is not None:
        options.append(f"text={texts_text(guess.text)}")
    what = f"{shown(guess.name)[1:-1]}, as the files have it."
    return declared_text(attribute, dtype_text(guess.dtype), what, ", ".join(options))


def declared_text(attribute: str, dtype: str, what: str, options: str = "") -> str:
    """A column with its description and its other options, as lines of a class."""
    given = f"description={literal(what)}{', ' if options else ''}{options}"
    line = f"    {attribute}: {dtype} = column({given})"
    if len(line) <= 100:
        return line
    return f"    {attribute}: {dtype} = column(\n        {given}\n    )"


def dtype_text(dtype: pl.DataType, *, inner: bool = False) -> str:
    """The dtype as Python writes it: an annotation, or the instance inside of another one."""
    if isinstance(dtype, pl.Decimal):
        arguments = f"{dtype.precision}, {dtype.scale}"
        return f"pl.Decimal({arguments})" if inner else f"Annotated[pl.Decimal, {arguments}]"
    if isinstance(dtype, pl.Datetime):
        zone = [dtype.time_zone] if dtype.time_zone else []
        arguments = ", ".join(json.dumps(text) for text in [dtype.time_unit, *zone])
        return f"pl.Datetime({arguments})" if inner else f"Annotated[pl.Datetime, {arguments}]"
    if isinstance(dtype, pl.List):
        return f"pl.List({dtype_text(pl.Series(dtype=dtype.inner).dtype, inner=True)})"
    if isinstance(dtype, pl.Struct):
        parts = struct_fields(dtype).items()
        inside = ", ".join(f"{literal(name)}: {dtype_text(one, inner=True)}" for name, one in parts)
        return f"pl.Struct({{{inside}}})"
    return f"pl.{type(dtype).__name__}"


def texts_text(texts: Texts) -> str:
    """What of the texts is not the default."""
    plain = Texts()
    given = {f.name: getattr(texts, f.name) for f in fields(texts)}
    changed = [f"{n}={literal(v)}" for n, v in given.items() if v != getattr(plain, n)]
    return f"Texts({', '.join(changed)})"


def format_text(file_format: FileFormat) -> str:
    """The format; the dialect of CSV is said in full."""
    if not isinstance(file_format, Csv):
        return f"{type(file_format).__name__}()"
    plain = Csv()
    given = {f.name: getattr(file_format, f.name) for f in fields(file_format)}
    shown = {"delimiter", "quote", "header", "encoding"}
    changed = [
        f"{n}={literal(v)}" for n, v in given.items() if n in shown or v != getattr(plain, n)
    ]
    return f"Csv({', '.join(changed)})"


def comment(note: str, indent: str) -> str:
    """The note as comment lines; signs that end a line are escaped."""
    text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in note)
    width = _WIDTH - len(indent)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"{indent}# {line}" for line in lines)


def shown(name: str) -> str:
    """A name in quotes on one line, whatever is in it."""
    return json.dumps(name, ensure_ascii=False)
