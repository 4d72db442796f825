"""How runs fail: one message that says what is not published and why, and who is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterError, DagsterEventType
from dagster._core.events import RunFailureReason

from etl_assets.core.errors import DayClosed, EtlError, StalePublication
from etl_assets.core.keeping import closed_days
from etl_assets.core.partitions import windows_of
from etl_assets.core.policies import Deletes
from etl_assets.core.table import LayerTable
from etl_assets.core.unexpected import stack_of, told
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.interrupts import interrupt_behind
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay

_MOST_COMMANDS = 3
"""How many commands a message shows: days that are no neighbours need one each."""


def refused_days(
    table: LayerTable,
    good: "Sequence[LoadedDay]",
    refused: "Sequence[LoadedDay | FailedDay]",
) -> dg.Failure:
    """What a run ends with that did not publish some days: which, why, and what to run then."""
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.refusals import broken

    closed = [
        one.day
        for one in refused
        if not isinstance(one, LoadedDay) and isinstance(one.error, DayClosed)
    ]
    told = f"{closed_days(table, closed)} " if closed else ""
    metadata: dict[str, str | int] = {
        "days_not_published": ", ".join(str(one.day) for one in refused),
        "days_published": len(good),
    }
    refused = [one for one in refused if one.day not in closed]
    if not refused:
        return dg.Failure(told.strip(), metadata=metadata, allow_retries=False)
    why = [broken(one) if isinstance(one, LoadedDay) else str(one.error) for one in refused]
    command = f"etl-assets backfill {table.path}"
    if table.has_days:
        days = f"{len(refused)} of {count_of(len(refused) + len(good), 'day')}"
        dated = "; ".join(f"{one.day}: {reason}" for one, reason in zip(refused, why, strict=True))
        what = f"{table.path}: {days} {is_or_are(len(refused))} not published ({dated})."
        them, again = "them", "run only these days again"
        windows = windows_of(one.day for one in refused)
        commands = [f"{command} --from {span.first} --to {span.last}" for span in windows]
    else:
        what, them, again = (
            f"{table.path} is not published ({'; '.join(why)}).",
            "it",
            "run it again",
        )
        commands = [command]
    shown = "; ".join(commands[:_MOST_COMMANDS]) + ("; …" if commands[_MOST_COMMANDS:] else ".")
    return dg.Failure(
        f"{told}{what} What was published for {them} before stays. "
        "See the checks, mend the source or the contract, or allow more in the thresholds of "
        f"{table.declared_in}, and {again}: {shown}",
        metadata=metadata,
        allow_retries=False,
    )


def overtaken(table: LayerTable, error: StalePublication) -> Exception:
    """What a run raises that read older days than are published: it reads them again, or fails."""
    # A sync or a reconciliation was faster: that happens, and a newer snapshot will do.
    if table.syncs or table.deletes is Deletes.KEEP:
        return dg.RetryRequested(max_retries=3, seconds_to_wait=1)
    return dg.Failure(str(error), allow_retries=False)


def tell_failure(context: dg.OpExecutionContext, error: BaseException) -> None:
    """Tell whoever started the run what failed for good, once a table.

    Not a hook of Dagster: where nothing fails, each run would list its hooks as skipped.
    """
    platform: Platform = context.resources.platform
    platform.on_failure(context.op.name, message_of(error))


def message_of(error: BaseException | None) -> str:
    """What a step's error says, without what Dagster wraps it in."""
    while error is not None and isinstance(error, DagsterError) and error.__cause__:
        error = error.__cause__
    if isinstance(error, dg.Failure) and error.description:
        return error.description
    return told(error) if error else "The step ended without an error of its own."


def failure_of(error: Exception) -> BaseException:
    """What a step raises for an error: a message, and whether another attempt may help.

    An error that nobody foresaw is not tried again. Where the code was is in the metadata.
    """
    if interrupt := interrupt_behind(error):
        return interrupt
    if isinstance(error, dg.Failure | dg.RetryRequested | DagsterError):
        return error
    if isinstance(error, EtlError):
        return dg.Failure(str(error), allow_retries=error.retryable)
    stack = dg.MetadataValue.text(stack_of(error))
    return dg.Failure(told(error), metadata={"stack": stack}, allow_retries=False)


class TickFailed(DagsterError):
    """What Dagster shows of a tick that failed, as it is: errors of its own it does not wrap."""


@contextmanager
def told_in_ticks() -> Iterator[None]:
    """Let the UI show our message first, and of an error that nobody foresaw the stack below it."""
    try:
        yield
    except DagsterError:
        raise
    except EtlError as error:
        raise TickFailed(str(error)) from None
    except Exception as error:
        raise TickFailed(told(error)) from error


@contextmanager
def told_as_failures() -> Iterator[None]:
    """Raise every error of an IO manager as `failure_of` has it."""
    try:
        yield
    except Exception as error:
        raise failure_of(error) from None


def raise_if_interrupted(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> None:
    """Raise KeyboardInterrupt for a run of this process that Ctrl-C or SIGTERM has ended.

    Dagster records it as a failure, since nobody asked it to terminate the run: it was canceled.
    """
    for event in result.all_events:
        if event.event_type is DagsterEventType.RUN_CANCELED:
            raise KeyboardInterrupt
        if event.event_type is DagsterEventType.RUN_FAILURE:
            reason = event.job_failure_data.failure_reason
            if reason is RunFailureReason.UNEXPECTED_TERMINATION:
                run = instance.get_run_by_id(result.run_id)
                if run is not None:
                    instance.report_run_canceled(run)
                raise KeyboardInterrupt
