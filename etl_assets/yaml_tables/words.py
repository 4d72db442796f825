"""Says in YAML's words what is wrong with a spec, for the checks of specs speak of Python.

What is wrong is found in `core/spec_checks.py`, and where it stands in the file in `documents.py`.
"""

import re
from typing import Final

_DTYPES: Final = {
    "pl.String": "string",
    "pl.Date": "date",
    "pl.Datetime": "timestamp",
    "pl.Boolean": "boolean",
    "pl.Int16": "int16",
    "pl.Int32": "int32",
    "pl.Int64": "int64",
    "pl.Float32": "float32",
    "pl.Float64": "float64",
    "pl.Binary": "binary",
    "pl.Time": "time",
}

_WORDS: Final = (
    # Whole phrases first: what they hold is put into other words below.
    (r"(?:\w+\.|the contract's )?\bConfig\.unique\b", "the key"),
    (
        r'Annotated\[pl\.Datetime, "us", (?:"UTC"|None)\]',
        lambda found: "timestamp" if "UTC" in found[0] else "naive_timestamp",
    ),
    (
        r"\bDatetime\([^()]*time_zone=(?:'UTC'|None)\)",
        lambda found: "timestamp" if "UTC" in found[0] else "naive_timestamp",
    ),
    (r"`(\w+): ([\w.]+) = column\(([^()]*)\)`(?: there)?", lambda found: _column(*found.groups())),
    (r'\bEpoch\("(\w+)", unit="(\w+)"\)', r"{epoch: {columns: \1, unit: \2}}"),
    (r'\bVersion\("(\w+)"\)', r"{version: {columns: \1}}"),
    (r"\ba timedelta\b", "a duration"),
    (r"\btimedelta\(days=(\d+)\)", r"P\1D"),
    (r"\bcolumn\((\w+)=([^(),]+)\)", r"\1: \2"),
    (r"\bpl\.\w+\b", lambda found: _DTYPES.get(found[0], found[0])),
    (
        r"\bis (String|Date|Boolean|Int16|Int32|Int64|Float32|Float64|Binary|Time)\b",
        lambda found: found[0].lower(),
    ),
    (r"\b(?:Severity|Deletes|Drift|Compression)\.([A-Z]+)\b", lambda found: found[1].lower()),
    (
        r"(?<!['\"])\b(?:REMOVE|TOMBSTONE|KEEP|EVOLVE|FREEZE|REPORT|ERROR|WARN|GZIP|ZSTD|NONE)\b",
        lambda found: found[0].lower(),
    ),
    (r" of etl_assets\.core\.\w+", ""),
    (r"(?<!['\"])\bNone\b", "null"),
    (r"\b(\w+)=(?=[\w\"'({\[-])", r"\1: "),
    (r": True\b", ": true"),
    (r": False\b", ": false"),
)


def in_yaml(told: str) -> str:
    """The sentence with the words of a `defs.yaml` in the place of those of Python."""
    for python, yaml in _WORDS:
        told = re.sub(python, yaml, told)
    return told


def _column(name: str, dtype: str, more: str) -> str:
    """A column of a class as an item of the list `columns`."""
    parts = [f"name: {name}", f"type: {_DTYPES.get(dtype, dtype)}"]
    parts += [one.strip().replace("=", ": ") for one in more.split(",") if "..." not in one]
    return f"`{{{', '.join(filter(None, parts))}}}` among the columns"
