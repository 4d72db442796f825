"""Python as text, laid out as ruff formats it: at most 100 columns, so that formatting a written
module changes nothing. What is written is decided in `module_text.py`.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.contracts import struct_fields

WIDTH = 100
_STEP = 4


@dataclass(frozen=True)
class Call:
    """A call: its function, and its arguments as (name or "", expression)."""

    function: str
    arguments: Sequence[tuple[str, "Expression"]]


@dataclass(frozen=True)
class Display:
    """A list, a tuple, or a dict whose items have their keys before them."""

    items: Sequence["Expression"]
    brackets: str = "[]"
    keys: Sequence[str] = field(default=())


Expression = str | Call | Display
"""A text that stands as it is, or what can be broken into lines."""


def laid_out(prefix: str, expression: Expression, suffix: str = "", indent: int = 0) -> str:
    """The expression between prefix and suffix, on one line where it fits, else on several."""
    line = " " * indent + prefix + flat(expression) + suffix
    if isinstance(expression, str) or (width_of(line) <= WIDTH and "\n" not in line):
        return line
    inside = indent + _STEP
    if isinstance(expression, Call):
        items = [(f"{name}=" if name else "", value) for name, value in expression.arguments]
        opening, closing = f"{expression.function}(", ")"
        joined = " " * inside + ", ".join(begin + flat(value) for begin, value in items)
        if width_of(joined) <= WIDTH:
            return f"{' ' * indent}{prefix}{opening}\n{joined}\n{' ' * indent}{closing}{suffix}"
    else:
        keys = [f"{key}: " for key in expression.keys] or [""] * len(expression.items)
        items = list(zip(keys, expression.items, strict=True))
        opening, closing = expression.brackets[0], expression.brackets[1]
    lines = [laid_out(begin, value, ",", inside) for begin, value in items]
    ends = f"{' ' * indent}{closing}{suffix}"
    return "\n".join([f"{' ' * indent}{prefix}{opening}", *lines, ends])


def flat(expression: Expression) -> str:
    """The expression on one line."""
    if isinstance(expression, str):
        return expression
    if isinstance(expression, Call):
        inside = ", ".join(
            f"{name}={flat(value)}" if name else flat(value) for name, value in expression.arguments
        )
        return f"{expression.function}({inside})"
    opening, closing = expression.brackets[0], expression.brackets[1]
    keys = [f"{key}: " for key in expression.keys] or [""] * len(expression.items)
    inside = ", ".join(key + flat(item) for key, item in zip(keys, expression.items, strict=True))
    is_lone = expression.brackets == "()" and len(expression.items) == 1
    return f"{opening}{inside}{',' if is_lone else ''}{closing}"


def value(given: object) -> Expression:
    """A text, a number, None, a boolean, or a list, tuple or dict of these, as an expression; one
    that is an expression already stays what it is."""
    if isinstance(given, Call | Display):
        return given
    if isinstance(given, list | tuple):
        brackets = "[]" if isinstance(given, list) else "()"
        return Display([value(item) for item in given], brackets)
    if isinstance(given, Mapping):
        return Display([value(item) for item in given.values()], "{}", list(map(text, given)))
    return text(given) if isinstance(given, str) else repr(given)


def text(given: str) -> str:
    """A text as a literal, in the quotes that want fewer escapes, as ruff writes it."""
    quote = "'" if given.count('"') > given.count("'") else '"'
    return quote + "".join(_escaped(sign, quote) for sign in given) + quote


def _escaped(sign: str, quote: str) -> str:
    if sign in ("\\", quote):
        return f"\\{sign}"
    return sign if sign.isprintable() else repr(sign)[1:-1]


def comment(note: str, indent: int = 0) -> list[str]:
    """The note as lines of comments; signs that would end a line are escaped."""
    plain = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in note)
    lines = textwrap.wrap(plain, WIDTH - indent - 2, break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * indent}# {line}" for line in lines]


def docstring(paragraphs: Sequence[str], indent: int = 0) -> list[str]:
    """A docstring: its first line, and more paragraphs below it."""
    begin = " " * indent
    plain = [_in_docstring(paragraph) for paragraph in paragraphs]
    first = textwrap.wrap(plain[0], WIDTH - indent - 6, break_on_hyphens=False)
    if len(plain) == 1 and len(first) == 1:
        return [f'{begin}"""{first[0]}"""']
    lines = [f'{begin}"""{first[0]}', *(begin + line for line in first[1:])]
    for paragraph in plain[1:]:
        wrapped = textwrap.wrap(paragraph, WIDTH - indent, break_on_hyphens=False)
        lines += ["", *(begin + line for line in wrapped)]
    return [*lines, f'{begin}"""']


def _in_docstring(paragraph: str) -> str:
    """Without what would be an escape there or would end it."""
    told = "".join(sign if sign.isprintable() else "?" for sign in paragraph)
    told = told.replace("\\", "/").replace('"', "'").strip()
    return told if told.endswith((".", "!", "?", ":")) else f"{told}."


def width_of(line: str) -> int:
    """How many columns a line takes: letters of East Asia take two."""
    if line.isascii():
        return len(line)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def annotation(dtype: pl.DataType) -> str:
    """The dtype as a contract declares it."""
    if isinstance(dtype, pl.Decimal):
        return f"Annotated[pl.Decimal, {dtype.precision}, {dtype.scale}]"
    if isinstance(dtype, pl.Datetime):
        zone = text(dtype.time_zone) if dtype.time_zone else "None"
        return f"Annotated[pl.Datetime, {text(dtype.time_unit)}, {zone}]"
    return instance(dtype)


def instance(dtype: pl.DataType) -> str:
    """The dtype as an expression."""
    if isinstance(dtype, pl.Decimal):
        return f"pl.Decimal({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        zone = f", {text(dtype.time_zone)}" if dtype.time_zone else ""
        return f"pl.Datetime({text(dtype.time_unit)}{zone})"
    if isinstance(dtype, pl.List):
        return f"pl.List({instance(pl.Series(dtype=dtype.inner).dtype)})"
    if isinstance(dtype, pl.Struct):
        parts = struct_fields(dtype).items()
        inside = ", ".join(f"{text(name)}: {instance(one)}" for name, one in parts)
        return f"pl.Struct({{{inside}}})"
    return f"pl.{type(dtype).__name__}"
