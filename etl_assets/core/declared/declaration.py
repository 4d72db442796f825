"""What a table's spec and contract declare, as text that is remembered with what it published.

A row of `etl_tables` has the declaration by which the table was published last, so that a change of
the code can be told before anything is done (`changes.py`). Nothing is decided by it. It has no
values, and of a source no more than its kind, connection and place.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from etl_assets.core.checks import Severity
from etl_assets.core.contracts import Column, config_of, frame_checks_of
from etl_assets.core.declared.code import code_digest
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.policies import Deletes, Drift
from etl_assets.core.source_specs import SourceSpec
from etl_assets.core.table import Input, LayerTable

Declaration = Mapping[str, Any]
"""What JSON holds: see `declaration_of`."""

READING: Final = ("allow_nan", "logical", "on_unrepresentable", "source_zone", "ambiguous", "trim")
"""The options of a column that say what becomes of a source's value."""

_USUAL: Final[Mapping[str, object]] = {
    "rules": [],
    "allow_nan": False,
    "on_unrepresentable": "quarantine",
    "ambiguous": "raise",
    "trim": False,
    "personal": False,
}
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@cache
def declaration_text(table: LayerTable) -> str:
    """The table's declaration as JSON."""
    return json.dumps(declaration_of(table), ensure_ascii=False, sort_keys=True)


def day_declared(text: str | None) -> str | None:
    """The column of the days by which a table was published, None for none."""
    day: str | None = json.loads(text).get("day") if text else None
    return day


def declaration_of(table: LayerTable) -> Declaration:
    """What the table declares, without what is as usual.

    `columns` by name with `type`, `required`, `rules` and options; `key`, `day`, `cursor`; `source`
    or `inputs` with `transform` (a digest of its code); `dimension`; policies and thresholds.
    """
    told: dict[str, Any] = {
        "columns": {column.name: _column(column) for column in table.columns},
        "key": list(table.key),
        "day": table.partition_column,
        "cursor": table.cursor.identity if table.cursor and table.source else None,
        "row_checks": _row_checks(table),
        "source": _source(table.source) if table.source else None,
        "inputs": {name: _input(given) for name, given in table.inputs.items()},
        "transform": code_digest(table.transform) if table.transform else None,
        "dimension": _dimension(table),
        "deletes": None if table.deletes is Deletes.REMOVE else str(table.deletes),
        "drift": None if table.drift is Drift.REPORT or not table.source else str(table.drift),
        "ignore": sorted(table.ignore) if table.source else [],
        "keep_before": str(table.keep_before) if table.keep_before else None,
        "versions": table.versions.path if table.versions else None,
        "thresholds": _thresholds(table),
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def _column(column: Column) -> dict[str, Any]:
    told: dict[str, Any] = {"type": str(column.dtype), "required": not column.nullable}
    for name in (
        "rules",
        "source_name",
        "max_null_ratio",
        "unit",
        "personal",
        "from_field",
        *READING,
    ):
        value = getattr(column, name)
        value = list(value) if isinstance(value, tuple) else value
        if value is not None and value != _USUAL.get(name):
            told[name] = value
    return told


def _row_checks(table: LayerTable) -> list[str]:
    config = config_of(table.contract)
    named = [f"{name}({config[name]})" for name in frame_checks_of(table.contract)]
    return sorted(_ADDRESS.sub("", text) for text in named)


def _source(source: SourceSpec) -> dict[str, str]:
    rest = fingerprint([_ADDRESS.sub("", str(source))])
    return {
        "kind": source.KIND,
        "connection": source.connection,
        "place": source.place,
        "rest": rest,
    }


def _input(given: Input) -> str:
    options = {
        name: str(value)
        for name, value in vars(given).items()
        if name != "asset" and value != getattr(Input, name)
    }
    shown = ", ".join(f"{name}={_ADDRESS.sub('', value)}" for name, value in options.items())
    return f"{given.asset} ({shown})" if shown else given.asset


def _dimension(table: LayerTable) -> dict[str, Any] | None:
    if table.dimension is None:
        return None
    shape = table.dimension.shape
    return {
        "tracked": list(shape.tracked),
        "untracked": list(shape.untracked),
        "digest": table.dimension.digest,
        "prepare": code_digest(table.dimension.prepare),
    }


def _thresholds(table: LayerTable) -> dict[str, Any]:
    told = asdict(table.thresholds)
    severities = {name: str(Severity(level)) for name, level in told.pop("severities").items()}
    return {**told, **({"severities": severities} if severities else {})}
