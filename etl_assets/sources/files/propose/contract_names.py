"""The names in a proposed contract: an attribute for each column, and the key of a row.

What a column holds is guessed in the modules beside this one.
"""

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import Contract
from etl_assets.core.wording import count_of
from etl_assets.sources.files.propose.guess import Guess
from etl_assets.sources.files.propose.parquet_columns import NOT_EVEN_BESIDE
from etl_assets.sources.files.propose.proposal import Proposal
from etl_assets.sources.files.propose.written import literal, shown
from etl_assets.sources.files.reading.results import LINE, OVERFLOW

_IN_USE = {"pl", "column", "Contract", "Annotated", "Texts", "Config", "TABLE"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKE_A_KEY = re.compile(r"(?i:(?:^|_)(?:id|key|uuid|guid|nr|no|num|number|code|sku)$)|[a-z]I[dD]$")
_ROWS_FOR_A_KEY = 10


@dataclass(frozen=True)
class Names:
    """The columns of the contract by attribute, and those that the files do not have."""

    columns: Mapping[str, Guess]
    left_out: Mapping[str, str]
    day: str | None
    file: str
    line: str
    overflow: str | None


def named(proposal: Proposal) -> Names:
    """An attribute for each column, and names for those that the files do not have."""
    columns: dict[str, Guess] = {}
    left_out = dict(proposal.left_out)
    taken = {guess.name.lower() for guess in proposal.sampled.columns} | set(AUDIT_COLUMNS)
    seen: set[str] = set()
    for place, guess in enumerate(proposal.sampled.columns, 1):
        lower = guess.name.lower()
        if not guess.name:
            left_out[guess.name] = "it has no name"
        elif lower in AUDIT_COLUMNS or guess.name in (LINE, OVERFLOW):
            left_out[guess.name] = "the platform itself has a column of that name"
        elif lower in seen:
            left_out[guess.name] = "another column differs from it by case alone"
        else:
            seen.add(lower)
            columns[_attribute(guess.name, place, taken)] = guess
    # A file with a column that it cannot take would be refused as a whole.
    has_overflow = left_out and not any(why.endswith(NOT_EVEN_BESIDE) for why in left_out.values())
    overflow = _free("other_columns", taken) if has_overflow else None
    day = _free("day", taken, "file_day") if proposal.pattern.form else None
    return Names(
        columns,
        left_out,
        day,
        _free("file", taken, "source_file"),
        _free("line", taken, "source_line"),
        overflow,
    )


def _attribute(name: str, place: int, taken: set[str]) -> str:
    """The name where it can be an attribute of a contract, else one like it that no other has."""
    if _is_usable(name):
        return name
    near = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
    return _free(near if _is_usable(near) else f"column_{place}", taken)


def _is_usable(name: str) -> bool:
    is_plain = _IDENTIFIER.fullmatch(name) and not name.startswith("__") and name not in _IN_USE
    return bool(is_plain) and not keyword.iskeyword(name) and not hasattr(Contract, name)


def _free(name: str, taken: set[str], other: str = "") -> str:
    candidates = [name, *([other] if other else []), *(f"{name}_{n}" for n in range(2, 10_000))]
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    return free


def key_of(proposal: Proposal, names: Names) -> tuple[str, ...]:
    """A column that looks like a key and was unique in the sample, else file and line."""
    found = [
        guess.name
        for guess in names.columns.values()
        if guess.is_unique
        and _LIKE_A_KEY.search(guess.name)
        and isinstance(guess.dtype, pl.Int64 | pl.String)
        and not guess.logical
    ]
    if not found or proposal.sampled.rows < _ROWS_FOR_A_KEY:
        return names.file, names.line
    return (found[0], names.day) if names.day else (found[0],)


def on_the_key(proposal: Proposal, names: Names, key: tuple[str, ...]) -> list[str]:
    """What is said of the key."""
    if key[0] != names.file:
        return [
            f"{shown(key[0])} came once each in the {count_of(proposal.sampled.rows, 'row')} of "
            "the sample. "
            "If it may come twice (in a day), all of its rows go to quarantine: then write "
            f"unique = {literal((names.file, names.line))}."
        ]
    return [
        "No column of the sample is surely a key: a line is known by its file and its number, so "
        "that the same row in two files is two rows."
    ]
