"""How runs fail: one message that says what is not published and why, and who is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay


def refused_days(
    table: LayerTable,
    good: "Sequence[LoadedDay]",
    refused: "Sequence[LoadedDay | FailedDay]",
) -> dg.Failure:
    """What a run ends with that did not publish some days: which, and the checks that refused."""
    from etl_assets.pipeline.days import LoadedDay

    reasons = [
        f"{one.day}: {_broken(one) if isinstance(one, LoadedDay) else one.error}" for one in refused
    ]
    return dg.Failure(
        f"{table.path}: {len(refused)} of {len(refused) + len(good)} days are not published "
        f"({'; '.join(reasons)}). What was published for them before stays. See the checks of "
        "these days, mend the source or the contract, and run only these days again.",
        metadata={
            "days_not_published": ", ".join(str(one.day) for one in refused),
            "days_published": len(good),
        },
        allow_retries=False,
    )


def _broken(loaded: "LoadedDay") -> str:
    """The checks that refused the day; of bad rows the commonest rule, its rows and some keys."""
    told = []
    for result in (result for result in loaded.results if result.blocks):
        rules = cast("list[dict[str, object]]", result.evidence.get("broken_rules", []))
        first = [f" ({r['rule']}: {r['rows']} rows, {r['sample_keys']})" for r in rules[:1]]
        told.append(result.check.name + "".join(first))
    return ", ".join(told)


def overtaken(table: LayerTable, error: StalePublication) -> Exception:
    """What a run raises that read older days than are published: it reads them again, or fails."""
    if table.syncs:  # a sync was faster: that happens, and a newer snapshot will do
        return dg.RetryRequested(max_retries=3, seconds_to_wait=1)
    return dg.Failure(str(error), allow_retries=False)


@dg.failure_hook(required_resource_keys={"platform"})
def report_failure(context: dg.HookContext) -> None:
    """Tell what failed for good: after the last attempt, once a table."""
    platform: Platform = context.resources.platform
    error = context.op_exception
    told = error.description if isinstance(error, dg.Failure) else None
    told = told or f"{type(error).__name__}: see the run's log."
    context.log.error(f"{context.op.name} failed for good: {told}")
    platform.on_failure(context.op.name, told)
