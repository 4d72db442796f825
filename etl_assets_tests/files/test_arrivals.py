"""A partner who is late is red in Dagster: the check, its sensor without a run, the freshness."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import CronFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Arrival
from etl_assets.orchestration.arrivals import evaluate
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.freshness import policy_of
from etl_assets.orchestration.ranges import range_tags
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SPEC,
    Shipments,
    in_folder,
    key,
    lines,
    open_shipments,
)

EXPECTS = Arrival(by=time(6), zone="Europe/Berlin")
SPEC_EXPECTING = replace(SPEC, expects=EXPECTS)
RAW = dg.AssetKey(["raw", "shipments"])
CHECK = dg.AssetCheckKey(RAW, "arrived")
ROW = (1, "1.500", "DHL")
DUE, NEXT_DUE = datetime(2024, 5, 17, 4, tzinfo=UTC), datetime(2024, 5, 18, 4, tzinfo=UTC)


@pytest.fixture
def shipments(tmp_path: Path) -> Iterator[Shipments]:
    with open_shipments(in_folder(tmp_path / "drop"), tmp_path / "home", expects=EXPECTS) as opened:
        yield opened


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@dataclass
class Clock:
    """The looks of the sensor at given moments, as it remembers them."""

    shipments: Shipments
    known: Any = None

    def at(self, now: datetime) -> list[tuple[bool, Any]]:
        events, self.known = evaluate(
            self.shipments.platform, [self.shipments.table], self.known or {}, now
        )
        return [(event.passed, event.metadata["day"].value) for event in events]


def test_a_late_partner_is_told_once_and_the_arrival_once(shipments: Shipments) -> None:
    clock = Clock(shipments)
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    shipments.catch_up()
    assert clock.at(DUE) == [(True, "2024-05-17")]
    assert clock.at(NEXT_DUE - timedelta(seconds=1)) == []
    assert clock.at(NEXT_DUE) == [(False, "2024-05-18")]
    assert clock.at(NEXT_DUE + timedelta(minutes=1)) == []
    shipments.place.drop(key(NEXT, "a.csv"), lines(ROW))
    assert clock.at(NEXT_DUE + timedelta(minutes=2)) == [], "it is there, but not published"
    shipments.catch_up()
    assert clock.at(NEXT_DUE + timedelta(minutes=3)) == [(True, "2024-05-18")]
    assert clock.at(NEXT_DUE + timedelta(minutes=4)) == []


def test_a_file_that_is_refused_is_no_arrival(shipments: Shipments) -> None:
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW)[:-1])
    shipments.catch_up()
    assert Clock(shipments).at(DUE) == [(False, "2024-05-17")]


def test_an_idle_platform_asks_the_warehouse_for_nothing(
    shipments: Shipments, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, state = [], shipments.platform.warehouse.state
    monkeypatch.setattr(
        shipments.platform.warehouse, "state", lambda *given: looked.append(given) or state(*given)
    )
    clock = Clock(shipments)
    assert len(clock.at(DUE)) == len(looked) == 1
    clock.at(DUE + timedelta(hours=1))
    assert len(looked) == 1, "a day that is missing is looked for again when something is published"
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    shipments.catch_up()
    clock.at(DUE + timedelta(hours=2))
    versions = []
    monkeypatch.setattr(shipments.platform.warehouse, "version", lambda: versions.append(1))
    looked.clear()
    clock.at(DUE + timedelta(hours=3))
    assert (looked, versions) == ([], []), "a day that has arrived is asked for no more"


def test_the_sensor_records_the_check_without_a_run(
    shipments: Shipments, instance: dg.DagsterInstance
) -> None:
    platform = shipments.platform
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    context = dg.build_sensor_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
    )
    tick = definitions.get_repository_def().get_sensor_def("arrivals").evaluate_tick(context)
    assert "Days are missing of raw/shipments" in tick.skip_message
    (event,) = tick.asset_events
    instance.report_runless_asset_event(event)  # as the daemon does
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
    assert record.status.value == "FAILED"
    assert instance.get_runs() == []


def run(shipments: Shipments, instance: dg.DagsterInstance, day: date) -> Any:
    definitions = build_definitions(
        shipments.platform.settings, overrides={"platform": shipments.platform}
    )
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[RAW],
        tags=range_tags(Window.of(day)),
        raise_on_error=False,
    )


def test_a_load_evaluates_the_check_after_it_and_does_not_fail_by_it(
    shipments: Shipments, instance: dg.DagsterInstance
) -> None:
    # The last day of the platform is 2024-06-01, which is due and does not come.
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    done = run(shipments, instance, DAY)
    assert done.success
    (found,) = [one for one in done.get_asset_check_evaluations() if one.check_name == "arrived"]
    assert (found.passed, found.partition) == (False, None)
    assert found.metadata["day"].value == "2024-06-01"
    shipments.place.drop(key(date(2024, 6, 1), "a.csv"), lines(ROW))
    again = run(shipments, instance, date(2024, 6, 1))
    (found,) = [one for one in again.get_asset_check_evaluations() if one.check_name == "arrived"]
    assert found.passed


def test_the_freshness_policy_fails_when_a_day_is_due_and_passes_when_it_is_loaded(
    shipments: Shipments, instance: dg.DagsterInstance
) -> None:
    settings = shipments.platform.settings.changed(last_day=None)
    platform = Platform(settings, given_catalog=Catalog.of([SPEC_EXPECTING]))
    definitions = build_definitions(settings, overrides={"platform": platform})
    node = definitions.resolve_asset_graph().get(RAW)
    assert node.freshness_policy == policy_of(settings, shipments.table)
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    assert run(shipments, instance, DAY).success
    loaded = datetime.now(UTC)

    def state_at(now: datetime) -> FreshnessState:
        with freeze_time(now):
            context = LoadingContextForTest(instance)
            evaluator = CronFreshnessPolicyEvaluator()
            return asyncio.run(evaluator.evaluate_freshness(context, node))

    deadline = datetime(loaded.year, loaded.month, loaded.day, 6, tzinfo=UTC) + timedelta(days=2)
    assert state_at(deadline) is FreshnessState.FAIL
    assert state_at(loaded) is FreshnessState.PASS
    assert policy_of(shipments.platform.settings, shipments.table) is None
