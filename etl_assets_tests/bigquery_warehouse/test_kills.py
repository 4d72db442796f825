"""SIGKILL of the worker or of the service, in the middle of a load and of a publication.

What readers see is the old day or the new one; the same run again gives the new one, once.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from etl_assets.core.errors import EtlError
from etl_assets.warehouse.publication import StagedDay
from etl_assets_tests.bigquery_server import start_bigquery
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, Place, publish_by
from etl_assets_tests.contract.backends import settings_of
from etl_assets_tests.contract.days import AS_OF, NEXT, at, orders, publish, staged, values
from etl_assets_tests.processes import ended, start
from etl_assets_tests.wire.http_faults import Hold, Rule
from etl_assets_tests.wire.http_proxy import HttpProxy

LOAD = ("POST", r"/upload/")
PUBLISH = ("POST", r"(?<!upload)/bigquery/v2/projects/[^/]+/jobs\?")
MOMENTS = {
    "before the load": (LOAD, False),
    "after the load": (LOAD, True),
    "before the publication": (PUBLISH, False),
    "after the publication": (PUBLISH, True),
}
OLD = {1: "old", 2: "old"}


def new_day(folder: Path, way: str) -> StagedDay:
    rows = orders(dict.fromkeys((2, 3), "new"), updated=at(NEXT))
    whole = {"row_count": 3} if way == "changes" else {}  # its states are given
    return staged(folder, rows, run_id="run-2", as_of=AS_OF + timedelta(days=1), **whole)


def expected(way: str) -> dict[int, str]:
    return {
        "replace": {2: "new", 3: "new"},
        "changes": {1: "old", 2: "new", 3: "new"},
    }[way]


def is_publication(body: bytes) -> bool:
    return b"COMMIT TRANSACTION" in body


def _publish_through(folder: Path, host: str, way: str) -> None:
    from etl_assets.warehouse.factory import open_warehouse

    settings = settings_of(folder).changed(bigquery_emulator_host=host)
    publish_by(way, open_warehouse(settings), new_day(folder, way))


@pytest.mark.parametrize(
    ("moment", "way"),
    [(t, w) for t in MOMENTS for w in WAYS if w == "replace" or t.endswith("publication")],
)
def test_l2_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    place: Place, moment: str, way: str
) -> None:
    publish(place.warehouse(), staged(place.folder, orders(OLD)))
    (method, path), done = MOMENTS[moment]
    body = is_publication if path == PUBLISH[1] else None
    hold = Hold(done=done)
    with HttpProxy(place.server.rest_host, Rule(hold, method, path, body)) as proxy:
        worker = start(_publish_through, place.folder, proxy.host, way)
        hold.wait()
        worker.kill()
        assert ended(worker) == -9
    seen = values(place.warehouse(), place.folder)
    # What was held went on its way in the end, as a packet may that outlives its sender.
    assert (
        seen == expected(way) if moment == "after the publication" else seen in (OLD, expected(way))
    )
    publish_by(way, place.warehouse(), new_day(place.folder, way))
    assert values(place.warehouse(), place.folder) == expected(way)
    (state,) = place.warehouse().state()
    assert (state.run_id, state.row_count) == ("run-2", len(expected(way)))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A place on a server of the test's own, which it may kill."""
    server = start_bigquery(tmp_path / "server")
    (tmp_path / "warehouse.json").write_text(
        '{"warehouse_url": "bigquery://proj?dataset_prefix=k_"}'
    )
    place = Place(tmp_path, server)
    with place._open:
        yield place
    server.stop()


def test_l2_a_service_that_is_killed_at_each_moment_loses_nothing(own: Place) -> None:
    publish(own.warehouse(), staged(own.folder, orders(OLD)))
    for (method, path), done in MOMENTS.values():
        body = is_publication if path == PUBLISH[1] else None
        hold = Hold(done=done)
        with (
            HttpProxy(own.server.rest_host, Rule(hold, method, path, body)) as proxy,
            ThreadPoolExecutor(1) as pool,
        ):
            publishing = pool.submit(try_to_publish, own, proxy, new_day(own.folder, "replace"))
            hold.wait()
            own.server.kill()
            own.server.start()
            hold.release.set()
            publishing.result()
        assert values(own.warehouse(), own.folder) in (OLD, expected("replace"))
    publish(own.warehouse(), new_day(own.folder, "replace"))
    assert values(own.warehouse(), own.folder) == expected("replace")


@pytest.mark.parametrize("request_kind", ["load", "publication"])
def test_l2_a_service_that_is_killed_while_it_works_loses_nothing(
    own: Place, request_kind: str
) -> None:
    publish(own.warehouse(), staged(own.folder, orders(OLD)))
    many = dict.fromkeys(range(150_000), "new")
    day = staged(own.folder, orders(many), run_id="run-2", as_of=AS_OF + timedelta(days=1))
    method, path = LOAD if request_kind == "load" else PUBLISH
    sent = threading.Event()

    def note(body: bytes) -> bool:
        if request_kind == "load" or is_publication(body):
            sent.set()
        return False  # it only looks

    rule = Rule(Hold(), method, path, note)
    with HttpProxy(own.server.rest_host, rule) as proxy, ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(try_to_publish, own, proxy, day)
        assert sent.wait(60)
        threading.Event().wait(0.05)  # the service has begun with it
        own.server.kill()
        own.server.start()
        publishing.result()
    assert values(own.warehouse(), own.folder) in (OLD, many)
    publish(own.warehouse(), day)
    assert values(own.warehouse(), own.folder) == many


def try_to_publish(own: Place, proxy: HttpProxy, day: StagedDay) -> None:
    with suppress(EtlError):  # it recovers by itself, or says that it could not
        # A job that died with the service is waited for until its time is up.
        warehouse = own.warehouse(through=proxy, wait_seconds=10, more="&job_timeout_seconds=8")
        publish(warehouse, day)
