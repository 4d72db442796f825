"""The fast road through JSON Lines: lines with the same keys in the same order.

One regular expression finds the values of many such lines at once, as they are written; it fits no
line that is not one JSON object with each key once. All others are read in `json_lines.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.sources.files.reading.csv_framing import Places

_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_BOOLEAN = "true|false"
_TEXT = r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*'
_ANY = rf'(?:null|{_BOOLEAN}|{_NUMBER}|"{_TEXT}")'
_PLAIN_KEY = re.compile(r'[^"\\\x00-\x1f]*')
_DECODER = msgspec.json.Decoder(str)


@dataclass(frozen=True)
class PlainLines:
    """Lines of these keys; `pattern` has a group for the line and one for each of the `declared`.

    A group has the text of its value without quotes, and is null where JSON says null.
    """

    keys: Sequence[str]
    declared: Sequence[str]
    pattern: str

    def find(
        self, data: bytes, starts: Places
    ) -> tuple[npt.NDArray[np.bool_], Mapping[str, pl.Series]]:
        """Which of the lines in `data` fit, and of all lines the values by key, null of the others.

        `starts` are the places of the lines, each of which has a line feed at its end; `data` is
        UTF-8 and has nothing behind the last.
        """
        offsets = np.append(starts, len(data))
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        lines = pl.Series(pa.Array.from_buffers(pa.large_string(), len(starts), buffers))
        found = lines.to_frame().select(pl.first().str.extract_groups(self.pattern)).to_series()
        first, *values = found.struct.unnest().get_columns()
        texts = map(_meant, values)
        return first.is_not_null().to_numpy(), dict(zip(self.declared, texts, strict=True))


def plain_lines(
    keys: Sequence[str], columns: Sequence[Column], *, overflow: bool
) -> PlainLines | None:
    """The plain lines of these keys; None where none are.

    A column that keeps JSON as it is, or takes text for numbers, is read in `json_values.py`, as is
    what goes into an overflow column.
    """
    kinds = {column.name: _kind(column) for column in columns}
    declared = [key for key in keys if key in kinds]
    extra = len(declared) < len(keys)
    if not declared or None in kinds.values() or (overflow and extra):
        return None
    if not all(_PLAIN_KEY.fullmatch(key) for key in keys):
        return None
    # Most writers put one blank after each sign, or none.
    pairs = (f'"{_escaped(key)}": ?{kinds.get(key, _ANY)}' for key in keys)
    return PlainLines(keys, declared, rf"^(\{{){', ?'.join(pairs)}\}}\r?\n$")


def _meant(values: pl.Series) -> pl.Series:
    """Texts as they are written in JSON, without their quotes, to what they mean."""
    escaped = values.str.contains("\\", literal=True).fill_null(value=False)
    if not escaped.any():
        return values
    places = escaped.arg_true()
    meant = [_DECODER.decode(f'"{text}"') for text in values.gather(places)]
    return values.scatter(places, pl.Series(meant, dtype=pl.String))


def _kind(column: Column) -> str | None:
    """The pattern of a column's values; None where only the slow road reads them."""
    is_number, is_boolean = column.dtype.is_numeric(), isinstance(column.dtype, pl.Boolean)
    if column.logical == "json" or (column.text is not None and (is_number or is_boolean)):
        return None
    if is_number:
        return f"(?:null|({_NUMBER}))"
    return f"(?:null|({_BOOLEAN}))" if is_boolean else f'(?:null|"({_TEXT})")'


def _escaped(key: str) -> str:
    return "".join(
        sign if sign.isalnum() or sign == "_" else rf"\x{{{ord(sign):x}}}" for sign in key
    )
