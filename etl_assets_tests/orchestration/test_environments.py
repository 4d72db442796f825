"""Dagster in an environment: the same assets, nothing by itself, and a history of its own."""

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.events.database import open_events
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.instance_storage import InstanceStorage, storage_url


def tables(url: str, schema: str) -> set[str]:
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names(schema))
    finally:
        engine.dispose()


def test_an_environment_has_the_same_assets_and_does_nothing_by_itself(tmp_path: Path) -> None:
    live = Settings(home=tmp_path, database_url="postgresql://u:p@h/d")
    keys = []
    for settings in (live, live.changed(environment="dev")):
        definitions = build_definitions(settings)
        keys.append({key.to_user_string() for key in definitions.resolve_all_asset_keys()})
        repository = definitions.get_repository_def()
        running = {
            schedule.name
            for schedule in repository.schedule_defs
            if schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        } | {
            sensor.name
            for sensor in repository.sensor_defs
            if sensor.name.startswith(("late_", "new_files__"))
            if sensor.default_status is dg.DefaultSensorStatus.RUNNING
        }
        assert bool(running) is (settings.environment is None), running
    assert keys[0] == keys[1]


def test_runs_of_an_environment_are_in_a_schema_of_their_own(
    database_url: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, dagster_postgres_url=database_url, environment="dev")
    storage = InstanceStorage(storage_url(settings))
    try:
        storage.event_log_storage.get_asset_records()
    finally:
        storage.event_log_storage.dispose()
    plain = database_url.replace("postgresql://", "postgresql+psycopg://")
    assert "runs" in tables(plain, "dagster_dev")
    assert tables(plain, "public") == set()


def test_the_embedded_server_has_a_database_for_each_environment(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_assets.demo import shared_use

    monkeypatch.setattr(shared_use, "shared_postgres", lambda _home: postgres)
    urls = [
        sa.make_url(storage_url(Settings(home=tmp_path, environment=name)))
        for name in (None, "dev")
    ]
    assert [url.database for url in urls] == ["dagster", "dagster_dev"]


def test_an_environment_writes_no_events(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, databases={"events": "postgresql://u:p@h/d"})
    open_events(settings)
    with pytest.raises(ConfigError, match="writes nothing outside of its own"):
        open_events(settings.changed(environment="dev"))
    open_events(settings.changed(environment="dev"), reads_only=True)
