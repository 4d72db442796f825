"""What a materialisation says of its versions, so that Dagster shows as stale what is stale.

The version of a day's data is the run that published it, the version of its code that of
`core/declared/code_version.py`. So a day that was left as it was makes nothing stale.
"""

import warnings
from collections.abc import Mapping
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
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_input_provenance_data,
)

from etl_assets.core.declared.code_version import code_version
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import source_key


def output_of(value: Any, name: str, run_id: str) -> dg.Output[Any]:
    """The output of a load, with the run that published it as the version of its data: one that
    follows from the code alone would be the same whatever the source has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # used on purpose
        return dg.Output(value, name, data_version=dg.DataVersion(run_id))


def provenance_in(
    context: dg.AssetExecutionContext, table: LayerTable, run_id: str
) -> Mapping[str, str]:
    """What a materialisation that an asset's step reports itself says of code and inputs, as an
    output's would; `run_id` is of the run that published the data."""
    inputs = _get_input_provenance_data(context.asset_key, context.get_step_execution_context())
    return _build_data_version_tags(
        dg.DataVersion(run_id), code_version(table), inputs, data_version_is_user_provided=True
    )


def provenance(table: LayerTable, run_id: str) -> Mapping[str, str]:
    """What a materialisation of a raw day that a sync reports says of the code that made it."""
    if table.source is None:
        return {}
    source = source_key(table)
    return {
        CODE_VERSION_TAG: code_version(table),
        DATA_VERSION_TAG: run_id,
        get_input_data_version_tag(source): DEFAULT_DATA_VERSION.value,
        get_input_event_pointer_tag(source): NULL_EVENT_POINTER,
    }
