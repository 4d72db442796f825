"""Which code made a part, and which thresholds let it through. Pure.

What counts for rows is columns with their rules, key, day, source or inputs, and the transform;
comments and policies do not. Thresholds only decide whether rows are good enough.
"""

import json
from functools import cache

from etl_assets.core.declared.code import code_digest
from etl_assets.core.declared.declaration import declaration_of
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.table import LayerTable

_DECIDES_ROWS = (
    "columns",
    "key",
    "day",
    "row_checks",
    "source",
    "inputs",
    "transform",
    "dimension",
)
_BETWEEN = "."


@cache
def code_version(table: LayerTable) -> str:
    """The same text for the same code."""
    declared = declaration_of(table)
    return fingerprint([json.dumps(declared.get(name), sort_keys=True) for name in _DECIDES_ROWS])


@cache
def made_by(table: LayerTable) -> str | None:
    """What a part remembers of the code and the thresholds that it was made by; None where Python
    has no text of the transform, so that a change of it would not be seen."""
    if table.transform is not None and code_digest(table.transform) is None:
        return None
    thresholds = json.dumps(declaration_of(table).get("thresholds"), sort_keys=True)
    return f"{code_version(table)}{_BETWEEN}{fingerprint([thresholds])}"


def is_of_other_code(table: LayerTable, known: str | None) -> bool:
    """Whether a part that remembers `known` was made by other code, whatever the thresholds were;
    False where that is not known, as of what an earlier release published."""
    now = made_by(table)
    if known is None or now is None:
        return False
    return known.partition(_BETWEEN)[0] != now.partition(_BETWEEN)[0]
