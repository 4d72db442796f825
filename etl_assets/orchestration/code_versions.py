"""The version of a table's code, so that Dagster shows days that were made by another one as stale.

What counts is what decides rows: columns with their rules, key, day, source or inputs, and the
transform (`core/declared/`); comments, thresholds and policies do not.
"""

import json
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from etl_assets.core.declared.declaration import declaration_of
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import source_key

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


@cache
def code_version(table: LayerTable) -> str:
    """The same text for the same code."""
    declared = declaration_of(table)
    return fingerprint([json.dumps(declared.get(name), sort_keys=True) for name in _DECIDES_ROWS])


def output_of(value: Any, name: str, run_id: str) -> dg.Output[Any]:
    """The output of a load, which is a version of its own: one that follows from the code alone
    would be the same whatever the source has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # used on purpose
        return dg.Output(value, name, data_version=dg.DataVersion(run_id))


def provenance(table: LayerTable, run_id: str) -> Mapping[str, str]:
    """What a materialisation of a raw day that no output made says of the code that made it."""
    if table.source is None:
        return {}
    source = source_key(table)
    return {
        CODE_VERSION_TAG: code_version(table),
        DATA_VERSION_TAG: run_id,
        get_input_data_version_tag(source): DEFAULT_DATA_VERSION.value,
        get_input_event_pointer_tag(source): NULL_EVENT_POINTER,
    }
