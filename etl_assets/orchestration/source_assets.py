"""What raw tables are read from, as assets: the Observe button asks a source how much it holds.

Loads and syncs note what they saw of it as well, so that no source stays grey. A source is somebody
else's: nothing is ever written to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG, DEFAULT_DATA_VERSION

from etl_assets.core.table import LayerTable
from etl_assets.orchestration.failures import failure_of
from etl_assets.orchestration.metadata import Metadata, evidence_metadata
from etl_assets.orchestration.names import source_key
from etl_assets.orchestration.started_by import note_who_started
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.sync_report import SyncReport

SOURCE_GROUP = "source"
_VERSION = DEFAULT_DATA_VERSION
"""Of every observation: whether a source changed is told by rows and cursors. With another version
each time, all days that were ever read of it would count as outdated."""

Observe = Callable[[Platform], Mapping[str, object]]


def source_asset(
    table: LayerTable, uri: str | None, deps: Sequence[dg.AssetKey] = ()
) -> dg.AssetsDefinition:
    """The observable asset of the source that a raw table is read from; `uri` shows no secret."""
    assert table.source is not None  # noqa: S101 - only raw tables have a source
    spec = dg.AssetSpec(
        source_key(table),
        deps=deps,
        description=f"{table.source.place} of {table.source.system}.",
        group_name=SOURCE_GROUP,
        kinds={table.source.KIND},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={
            "dagster/table_name": table.source.place,
            **({"dagster/uri": uri} if uri else {}),
        },
    )

    def ask(platform: Platform) -> Mapping[str, object]:
        from etl_assets.pipeline.observe import observe

        return observe(platform, table)

    return observable(spec, ask)


# Dagster gives it no types.
_decorator: Callable[..., Callable[..., dg.AssetsDefinition]] = dg.multi_observable_source_asset


def observable(spec: dg.AssetSpec, ask: Observe) -> dg.AssetsDefinition:
    """A source as an asset that can be observed: `ask` says what there is to say of it now."""

    @_decorator(
        name=f"observe__{'__'.join(spec.key.path)}",
        specs=[spec],
        required_resource_keys={"platform"},
    )
    def observe_source(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        note_who_started(context)
        try:
            found = ask(context.resources.platform)
        except Exception as error:
            raise failure_of(error) from None
        yield dg.ObserveResult(asset_key=spec.key, metadata=_shown(found), data_version=_VERSION)

    return observe_source


def seen_in_load(table: LayerTable, days: "Sequence[LoadedDay]") -> Iterator[dg.AssetObservation]:
    """What a load saw of the source, if it saw anything: rows of its days, newest cursor, drift."""
    if table.source is None or not days:
        return
    days = sorted(days, key=lambda loaded: loaded.day)
    counts = [loaded.source_count for loaded in days if loaded.source_count is not None]
    marks = [loaded.high_watermark for loaded in days if loaded.high_watermark is not None]
    found: dict[str, object] = {
        "seen_by": "a load",
        **({"rows_of_these_days": sum(counts)} if counts else {}),
        **({"days": f"{days[0].day} to {days[-1].day}"} if table.has_days else {}),
        **({"newest_cursor": max(marks).isoformat()} if marks else {}),
    }
    for loaded in days[:1]:
        for result in loaded.results:
            if result.check.name == "schema_drift":
                found |= result.evidence
    yield _observed(table, found)


def seen_in_sync(table: LayerTable, report: "SyncReport") -> Iterator[dg.AssetObservation]:
    """What a sync saw of the source: the rows that changed, how far it read, drift."""
    last = report.last
    found: dict[str, object] = {
        "seen_by": "a sync",
        "rows_that_changed": report.rows,
        **({"newest_cursor": last.mark.shown} if last and last.mark else {}),
        **(last.drift.evidence() if last else {}),
    }
    yield _observed(table, found)


def _observed(table: LayerTable, found: Mapping[str, object]) -> dg.AssetObservation:
    return dg.AssetObservation(
        source_key(table), metadata=_shown(found), tags={DATA_VERSION_TAG: _VERSION.value}
    )


def _shown(found: Mapping[str, object]) -> Metadata:
    named = {"dagster/row_count" if name == "rows" else name: v for name, v in found.items()}
    return evidence_metadata(named)
