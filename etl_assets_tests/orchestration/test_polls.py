"""A list of an API tells nobody what is new: its last days are loaded by the clock."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.config import HttpSettings, Settings
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.polls import POLL_TAG, recent_days
from etl_assets.table_modules import tables_from

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 30)
OURS = HttpSettings(apis={"sales": HttpConnection(url="https://sales.example.com")})


def of_sales(settings: Settings) -> tuple[dg.RepositoryDefinition, dg.ScheduleDefinition]:
    repository = build_definitions(settings).get_repository_def()
    return repository, repository.get_schedule_def("poll__sales")


@pytest.mark.parametrize(("http", "status"), [(OURS, "RUNNING"), (HttpSettings(), "STOPPED")])
def test_it_runs_by_itself_only_where_settings_say_where_the_api_is(
    tmp_path: Path, http: HttpSettings, status: str
) -> None:
    _, poll = of_sales(Settings(home=tmp_path, http=http))
    assert poll.default_status.value == status


def test_it_asks_for_one_run_of_the_last_days_and_waits_for_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, first_day=FIRST, last_day=LAST, http=OURS)
    repository, poll = of_sales(settings)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(instance=instance, repository_def=repository)
        (request,) = poll.evaluate_tick(context).run_requests or []
        assert request.asset_selection == [dg.AssetKey(["raw", "sales"])]
        assert request.tags["dagster/asset_partition_range_start"] == "2024-01-29"
        assert request.tags["dagster/asset_partition_range_end"] == "2024-01-30"
        job = repository.get_job("sync")
        status = dg.DagsterRunStatus.STARTED
        instance.create_run_for_job(job, status=status, tags={POLL_TAG: "raw/sales"})
        assert not poll.evaluate_tick(context).run_requests


def test_the_last_days_are_days_that_the_platform_has(tmp_path: Path) -> None:
    catalog = tables_from()
    many = Settings(home=tmp_path, last_day=LAST, http=HttpSettings(recent_days=99))
    assert recent_days(many, catalog["raw/sales"]) == Window(FIRST, LAST)
    assert recent_days(many, catalog["raw/countries"]) == Window.of(WHOLE)
