"""The job that reads the objects of a table whose rows say their day, to know which days they have.

A sensor's tick is too short for it. What is read and recorded is `pipeline/file_index.py`; the days
themselves are loaded as those of any table.
"""

from collections.abc import Sequence

import dagster as dg

from etl_assets.core.lateness import Late
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.failures import failure_of
from etl_assets.orchestration.started_by import SENSOR, note_who_started, started_by
from etl_assets.pipeline.platform import Platform

INDEX_JOB, _OP = "index_files", "read_objects"


def build_index_jobs(tables: Sequence[LayerTable], platform: Platform) -> list[dg.JobDefinition]:
    """The job, where there is a table that needs it."""
    if not any(table.has_row_days for table in tables):
        return []
    graph = dg.GraphDefinition(name=INDEX_JOB, node_defs=[_op()])
    job = graph.to_job(
        description="Read the objects of a table of files of which it is not known what days their "
        "rows are of.",
        # Given here: Dagster would make the sensor anew to give it, and warns of that.
        resource_defs={"platform": dg.ResourceDefinition.hardcoded_resource(platform)},
        logger_defs={"console": CONSOLE},
        executor_def=dg.in_process_executor,
    )
    return [job]


def index_request(late: Late, tag: str) -> dg.RunRequest:
    """A run that reads the objects which are to be read; `tag` marks it as one of the table's."""
    return dg.RunRequest(
        job_name=INDEX_JOB,
        run_config={"ops": {_OP: {"config": {"table": late.table}}}},
        tags={tag: late.table, "etl_assets/why": late.why, **started_by(SENSOR)},
    )


def _op() -> dg.OpDefinition:
    @dg.op(
        name=_OP,
        out=dg.Out(dg.Nothing),
        required_resource_keys={"platform"},
        config_schema={"table": dg.Field(str, description="The table's path: raw/shipments.")},
    )
    def read_objects(context: dg.OpExecutionContext) -> None:
        note_who_started(context)
        platform: Platform = context.resources.platform
        table = platform.catalog[context.op_config["table"]]
        try:
            objects = platform.index_files(table)
        except Exception as error:
            failure = failure_of(error)
            raise failure from failure.__cause__
        context.log.info(f"{table.path}: the days of {count_of(objects, 'object')} are known.")

    return read_objects
