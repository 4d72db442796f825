"""The job `events` in Dagster: where it is, and what a run of it does."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.config import Settings, read_settings
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.events import EVENTS_JOB

TABLES = "etl_assets.tables.events"
ROW = {"event_id": "A-1", "event": "view", "ts": 1_715_940_000, "customer": "7"}


def settings_of(folder: Path, url: str, **more: str) -> Settings:
    (folder / "store" / "partner_events").mkdir(parents=True)
    environment = {
        "ETL_HOME": str(folder / "home"),
        "ETL_TABLES": TABLES,
        "EVENTS_DATABASE_URL": url,
        "OBJECT_STORE_URL": (folder / "store").as_uri(),
        "EVENTS_ARCHIVE_URL": (folder / "archive").as_uri(),
    }
    return read_settings({**environment, **more})


def drop(folder: Path) -> None:
    path = folder / "store" / "partner_events" / "a.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))


def test_a_run_pulls_archives_and_loads(database_url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, database_url)
    drop(tmp_path)

    result = build_definitions(settings).resolve_job_def(EVENTS_JOB).execute_in_process()

    (output,) = result.filter_events(lambda event: event.is_successful_output)
    shown = {name: value.value for name, value in output.step_output_data.metadata.items()}
    assert shown == {
        "landed from partner_files": 1,
        "archived": 1,
        "loaded": 1,
        "events": 1,
        "duplicates": 0,
        "superseded": 0,
        "quarantined": 0,
    }


def test_a_source_that_is_away_fails_the_run_after_all_else_was_done(
    database_url: str, tmp_path: Path
) -> None:
    away = {
        "HTTP_API_URL_SHOP_EVENTS": "http://127.0.0.1:9",
        "HTTP_API_PATIENCE_SECONDS": "0",
    }
    settings = settings_of(tmp_path, database_url, **away)
    drop(tmp_path)
    job = build_definitions(settings).resolve_job_def(EVENTS_JOB)

    result = job.execute_in_process(raise_on_error=False)

    assert not result.success
    assert list((tmp_path / "archive").rglob("*.parquet"))


@pytest.mark.parametrize("is_set", [True, False])
def test_it_runs_each_minute_by_itself_where_events_have_a_database(
    is_set: bool, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, "postgresql://nobody@127.0.0.1:9/events" if is_set else "")

    schedule = build_definitions(settings).resolve_schedule_def(f"{EVENTS_JOB}_schedule")

    assert (schedule.default_status is dg.DefaultScheduleStatus.RUNNING) is is_set


def test_the_graph_begins_with_the_sources_of_events(tmp_path: Path) -> None:
    graph = build_definitions(settings_of(tmp_path, "")).resolve_asset_graph()

    events = dg.AssetKey(["source", "events", "events"])
    assert {key.path[-1] for key in graph.get(events).parent_keys} == {
        "shop_api",
        "partner_files",
        "partner_webhook",
    }
    assert graph.get(dg.AssetKey(["raw", "events"])).parent_keys == {events}


def test_sources_that_cannot_be_imported_leave_the_rest_of_the_graph(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "", ETL_EVENT_SOURCES="etl_assets.nothing")

    graph = build_definitions(settings).resolve_asset_graph()

    assert not graph.get(dg.AssetKey(["source", "events", "events"])).parent_keys
    assert dg.AssetKey(["enriched", "sessions"]) in graph.get_all_asset_keys()


def test_it_is_not_there_where_no_table_has_events(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "", ETL_TABLES="etl_assets.tables")

    jobs = {job.name for job in build_definitions(settings).resolve_all_job_defs()}

    assert EVENTS_JOB not in jobs
