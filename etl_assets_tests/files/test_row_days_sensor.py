"""The sensor of a table whose rows say their day: objects are read by a run, then days are late."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.orchestration.new_files import FILES_TAG
from etl_assets_tests.files.by_rows import BY_ROWS, good, held, lines
from etl_assets_tests.files.shipments import DAY, NEXT, THIRD, Place, Shipments, open_shipments
from etl_assets_tests.files.test_new_files import Ticks, spans

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

A, B = "shipments/a.csv", "shipments/b.csv.gz"


@pytest.fixture
def shipments(place: Place, tmp_path: Path) -> Iterator[Shipments]:
    with open_shipments(place, tmp_path / "home", spec=BY_ROWS) as opened:
        yield opened


@pytest.fixture
def ticks(shipments: Shipments) -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(shipments, instance)


def read(ticks: Ticks, request: dg.RunRequest) -> bool:
    """Carry out the run that reads objects."""
    job = ticks.definitions.resolve_job_def("index_files")
    return job.execute_in_process(
        instance=ticks.instance,
        run_config=request.run_config,
        tags=request.tags,
        raise_on_error=False,
    ).success


def test_the_definitions_can_be_loaded(ticks: Ticks) -> None:
    ticks.definitions.get_repository_def().load_all_definitions()


def test_objects_are_read_by_a_run_and_the_next_tick_asks_for_their_days(
    shipments: Shipments, ticks: Ticks
) -> None:
    assert "No object is new" in ticks.tick().skip_message
    shipments.place.drop(A, lines(good(DAY), good(NEXT)))
    shipments.place.drop(B, gzip.compress(lines(good(NEXT))))
    (request,) = ticks.tick().run_requests
    assert (request.job_name, request.tags[FILES_TAG]) == ("index_files", "raw/shipments")
    assert request.tags["etl_assets/why"] == "2 objects to be read"
    again = ticks.tick()
    assert again.run_requests in (None, []), "it is asked for once, and again after a pause"
    assert "2 to be read before their days are known" in again.skip_message
    assert read(ticks, request)
    tick = ticks.tick()
    assert spans(tick) == [("2024-05-17", "2024-05-18")]
    assert {one.job_name for one in tick.run_requests} == {"load__shipments"}
    assert all(ticks.run(one) for one in tick.run_requests)
    held(shipments)
    assert "No object is new" in ticks.tick().skip_message


def test_days_that_are_known_are_asked_for_before_what_is_to_be_read(
    shipments: Shipments, ticks: Ticks
) -> None:
    shipments.place.drop(A, lines(good(DAY), good(THIRD)))
    assert read(ticks, ticks.tick().run_requests[0])
    shipments.place.drop(B, gzip.compress(lines(good(NEXT))))
    tick = ticks.tick()
    assert spans(tick) == [("2024-05-17", "2024-05-17"), ("2024-05-19", "2024-05-19")]
    assert all(ticks.run(one) for one in tick.run_requests)
    assert spans(ticks.tick()) == [("2024-05-18", "2024-05-18")], "the load has read it"


def test_a_run_reads_what_is_there_and_not_what_it_was_asked_for(
    shipments: Shipments, ticks: Ticks
) -> None:
    shipments.place.drop(A, lines(good(DAY)))
    (request,) = ticks.tick().run_requests
    shipments.place.remove(A)
    shipments.place.drop(B, gzip.compress(lines(good(NEXT))))
    ticks.cursor = None
    (other,) = ticks.tick().run_requests
    assert read(ticks, request)
    assert read(ticks, other)
    assert spans(ticks.tick()) == [("2024-05-18", "2024-05-18")]
