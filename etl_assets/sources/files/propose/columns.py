"""The columns of a sample: of CSV, of JSON Lines, of Parquet; each with a guess for its dtype.

How text becomes a guess is `texts.py`; how the guesses become a spec is `scaffold/files.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import polars as pl

from etl_assets.core.errors import SourceError
from etl_assets.core.file_formats import Csv
from etl_assets.sources.files.propose.dialect import records_of, text_of
from etl_assets.sources.files.propose.guess import Guess, Values
from etl_assets.sources.files.propose.numbers import number
from etl_assets.sources.files.propose.sample import Begin
from etl_assets.sources.files.propose.texts import (
    decimal_sign,
    guess_of,
    guess_of_string,
    values_in,
)

_ROWS = 50_000
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_MIXED = "Kept as the JSON that it is"


@dataclass(frozen=True)
class Sampled:
    """The columns of the files of a sample, how many rows were looked at, and in which some lack.

    `missing` are the columns that some file does not have.
    """

    columns: Sequence[Guess]
    rows: int
    missing: Sequence[str] = ()


Columns = Mapping[str, Sequence[str | None]]
"""The text of each column of one file, null for an empty field without quotes."""


def names_in_csv(begin: Begin, csv: Csv) -> list[str]:
    """The names of a file's columns; c1, c2, … without a header."""
    first = records_of(text_of(begin, csv.encoding), csv, 1)
    if not first:
        return []
    if csv.header:
        return [field or "" for field in first[0].fields]
    return [f"c{number}" for number in range(1, len(first[0].fields) + 1)]


def columns_of_csv(begins: Sequence[Begin], csv: Csv) -> Sampled:
    """The columns of CSV files in one dialect, in the order in which they appear."""
    texts: dict[str, list[str | None]] = {}
    seen: list[list[str]] = []
    rows = 0
    for begin in begins:
        names = names_in_csv(begin, csv)
        records = records_of(text_of(begin, csv.encoding), csv, _ROWS)[1 if csv.header else 0 :]
        good = [record.fields for record in records if len(record.fields) == len(names)]
        seen.append(names)
        rows += len(good)
        for place, name in enumerate(names):
            texts.setdefault(name, []).extend(fields[place] for fields in good)
    proven = decimal_sign([values_in(name, found) for name, found in texts.items()])
    missing = [name for name in texts if not all(name in names for names in seen)]
    guesses = [guess_of(name, found, proven=proven) for name, found in texts.items()]
    return _with_missing(guesses, rows, missing)


def columns_of_json(begins: Sequence[Begin]) -> Sampled:
    """The keys of JSON Lines, in the order in which they appear.

    Raises SourceError for a file that is no JSON Lines.
    """
    raws: dict[str, list[str]] = {}
    rows = 0
    for begin in begins:
        objects = list(_objects(begin))
        rows += len(objects)
        for fields in objects:
            for key, raw in fields.items():
                raws.setdefault(key, []).append(bytes(raw).decode())
    guesses = []
    for key, found in raws.items():
        guess = _json_guess(key, [raw for raw in found if raw != "null"])
        is_always = len(found) == rows and "null" not in found
        is_unique = is_always and len(set(found)) == rows
        guesses.append(replace(guess, nullable=not is_always, is_unique=is_unique))
    return Sampled(guesses, rows)


def overlap(names: Iterable[str], others: Iterable[str]) -> float:
    """The share of columns that two files have in common; 1 for files without any."""
    first, second = set(names), set(others)
    return len(first & second) / len(first | second) if first | second else 1.0


def names_in_json(begin: Begin) -> list[str]:
    """The keys of the objects of a file."""
    return list(dict.fromkeys(key for fields in _objects(begin) for key in fields))


def _with_missing(guesses: Sequence[Guess], rows: int, missing: Sequence[str]) -> Sampled:
    told = [
        replace(guess, nullable=True, is_unique=False).noting("Some files do not have it.")
        if guess.name in missing
        else guess
        for guess in guesses
    ]
    return Sampled(told, rows, missing)


def _objects(begin: Begin) -> Iterable[dict[str, msgspec.Raw]]:
    text = begin.content.removeprefix(b"\xef\xbb\xbf")
    end = len(text) if begin.is_whole else text.rfind(b"\n") + 1
    lines = [line for line in text[:end].split(b"\n") if line.strip(b" \t\r")][:_ROWS]
    found = []
    for line in lines:
        try:
            found.append(_OBJECT.decode(line))
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue  # a load sets such a line aside
    if not found:
        what = "one JSON document" if text.lstrip()[:1] in (b"[", b"{") else "something else"
        raise SourceError(
            f"{begin.key!r} is no JSON Lines but {what}: no line of it is an object.",
            "Have it delivered with one object a line; say --format if it is another format.",
        )
    return found


def _json_guess(key: str, raws: Sequence[str]) -> Guess:
    """The guess for the values of a key as they are written, without null."""
    kinds = {_kind(raw) for raw in raws}
    as_json = Guess(key, pl.String(), logical="json")
    if not kinds:
        return as_json.noting("null everywhere in the sample: it takes whatever comes.")
    if kinds == {"boolean"}:
        return Guess(key, pl.Boolean())
    if kinds == {"text"}:
        return guess_of_string(key, [_STRING.decode(raw.encode()) for raw in raws])
    if kinds == {"number"}:
        values = Values(key, pl.Series(key, raws).unique(maintain_order=True))
        if values.all_match("-?[0-9]+") and values.any_match("-?[0-9]{19,}"):
            fits = pl.Decimal(38, 0)
            if values.are_all(fits) and not values.are_all(pl.Int64()):
                return Guess(key, fits).noting("Integers of more than 64 bits.")
        found = number(values, proven=".")
        if isinstance(found, Guess):
            return found
        why = found.why if found else "numbers that no dtype holds exactly"
        return as_json.noting(f"{_MIXED}: {why}. pl.Float64 if rounding does no harm.")
    what = "it is nested" if kinds == {"nested"} else f"values are {' and '.join(sorted(kinds))}"
    return as_json.noting(f"{_MIXED}: {what}.")


def _kind(raw: str) -> str:
    return {'"': "text", "{": "nested", "[": "nested", "t": "boolean", "f": "boolean"}.get(
        raw[0], "number"
    )
