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
from etl_assets.warehouse.base import Mode, StagedDay
from etl_assets_tests.bigquery_server import start_bigquery
from etl_assets_tests.bigquery_warehouse.conftest import Place
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


def new_day(folder: Path, mode: Mode) -> StagedDay:
    keys = (3, 4) if mode is Mode.APPEND else (2, 3)
    rows = orders(dict.fromkeys(keys, "new"), updated=at(NEXT))
    whole = {"row_count": 3} if mode is Mode.CHANGES else {}  # its states are given
    return staged(folder, rows, run_id="run-2", as_of=AS_OF + timedelta(days=1), **whole)


def expected(mode: Mode) -> dict[int, str]:
    return {
        Mode.REPLACE: {2: "new", 3: "new"},
        Mode.MERGE: {1: "old", 2: "new", 3: "new"},
        Mode.APPEND: {**OLD, 3: "new", 4: "new"},
        Mode.CHANGES: {1: "old", 2: "new", 3: "new"},
    }[mode]


def is_publication(body: bytes) -> bool:
    return b"COMMIT TRANSACTION" in body


def _publish_through(folder: Path, host: str, mode: Mode) -> None:
    from etl_assets.warehouse.factory import open_warehouse

    settings = settings_of(folder).changed(bigquery_emulator_host=host)
    publish(open_warehouse(settings), new_day(folder, mode), mode=mode)


@pytest.mark.parametrize(
    ("moment", "mode"),
    [(t, m) for t in MOMENTS for m in Mode if m is not Mode.CHANGES or t.endswith("publication")],
)
def test_l2_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    place: Place, moment: str, mode: Mode
) -> None:
    publish(place.warehouse(), staged(place.folder, orders(OLD)))
    (method, path), done = MOMENTS[moment]
    body = is_publication if path == PUBLISH[1] else None
    hold = Hold(done=done)
    with HttpProxy(place.server.rest_host, Rule(hold, method, path, body)) as proxy:
        worker = start(_publish_through, place.folder, proxy.host, mode)
        hold.wait()
        worker.kill()
        assert ended(worker) == -9
    seen = values(place.warehouse(), place.folder)
    # What was held went on its way in the end, as a packet may that outlives its sender.
    assert (
        seen == expected(mode)
        if moment == "after the publication"
        else seen in (OLD, expected(mode))
    )
    publish(place.warehouse(), new_day(place.folder, mode), mode=mode)
    assert values(place.warehouse(), place.folder) == expected(mode)
    (state,) = place.warehouse().state()
    assert (state.run_id, state.row_count) == ("run-2", len(expected(mode)))


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


@pytest.mark.parametrize(
    ("mode", "moments"), [(Mode.REPLACE, list(MOMENTS)), (Mode.APPEND, ["after the load"])]
)
def test_l2_a_service_that_is_killed_at_each_moment_loses_nothing(
    own: Place, mode: Mode, moments: list[str]
) -> None:
    publish(own.warehouse(), staged(own.folder, orders(OLD)))
    for (method, path), done in [MOMENTS[moment] for moment in moments]:
        body = is_publication if path == PUBLISH[1] else None
        hold = Hold(done=done)
        with (
            HttpProxy(own.server.rest_host, Rule(hold, method, path, body)) as proxy,
            ThreadPoolExecutor(1) as pool,
        ):
            publishing = pool.submit(try_to_publish, own, proxy, new_day(own.folder, mode), mode)
            hold.wait()
            own.server.kill()
            own.server.start()
            hold.release.set()
            publishing.result()
        assert values(own.warehouse(), own.folder) in (OLD, expected(mode))
    publish(own.warehouse(), new_day(own.folder, mode), mode=mode)
    assert values(own.warehouse(), own.folder) == expected(mode)


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
        publishing = pool.submit(try_to_publish, own, proxy, day, Mode.REPLACE)
        assert sent.wait(60)
        threading.Event().wait(0.05)  # the service has begun with it
        own.server.kill()
        own.server.start()
        publishing.result()
    assert values(own.warehouse(), own.folder) in (OLD, many)
    publish(own.warehouse(), day)
    assert values(own.warehouse(), own.folder) == many


def try_to_publish(own: Place, proxy: HttpProxy, day: StagedDay, mode: Mode) -> None:
    with suppress(EtlError):  # it recovers by itself, or says that it could not
        # A job that died with the service is waited for until its time is up.
        warehouse = own.warehouse(through=proxy, wait_seconds=10, more="&job_timeout_seconds=8")
        publish(warehouse, day, mode=mode)
