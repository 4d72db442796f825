"""SIGKILL of the worker or of the service, in the middle of a load and of a publication.

What readers see is the old day or the new one; the same run again gives the new one, once.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
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
REQUESTS = {
    "before the load, which is lost": (LOAD, {"lost": True}),
    "before the load, which arrives late": (LOAD, {}),
    "after the load": (LOAD, {"done": True}),
    "before the publication, which is lost": (PUBLISH, {"lost": True}),
    "before the publication, which arrives late": (PUBLISH, {}),
    "after the publication": (PUBLISH, {"done": True}),
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


@pytest.mark.thorough_for("before the publication")
@pytest.mark.soak_for(
    "the load, which arrives late",
    "the publication, which arrives late-replace",
    "after the load",
    "which is lost",
    "after the publication-changes",
)
@pytest.mark.parametrize(
    ("moment", "way"),
    [(t, w) for t in REQUESTS for w in WAYS if w == "replace" or "publication" in t],
)
def test_l2_t1_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    place: Place, moment: str, way: str
) -> None:
    """The request that its death leaves on the way is lost, or the service carries it out.

    Read is only when that is decided. Before, the publication went on while the test read, and the
    test saw 1 old and 2 new, neither the old rows nor the new ones. That was the emulator's Storage
    Read (the next test), not a transaction that shows before its end, and not ours: on the real
    service a session is of one moment (`test_a_read_is_of_one_moment`).
    """
    publish(place.warehouse(), staged(place.folder, orders(OLD)))
    (method, path), hold = REQUESTS[moment][0], Hold(**REQUESTS[moment][1])
    body = is_publication if path == PUBLISH[1] else None
    with HttpProxy(place.server.rest_host, Rule(hold, method, path, body)) as proxy:
        worker = start(_publish_through, place.folder, proxy.host, way)
        hold.wait()
        worker.kill()
        assert ended(worker) == -9
        hold.let_go_on()
    wait_for_jobs(place)
    is_new = path == PUBLISH[1] and not hold.lost
    assert values(place.warehouse(), place.folder) == (expected(way) if is_new else OLD)
    publish_by(way, place.warehouse(), new_day(place.folder, way))
    assert values(place.warehouse(), place.folder) == expected(way)
    (state,) = place.warehouse().state()
    assert (state.run_id, state.row_count) == ("run-2", len(expected(way)))


def wait_for_jobs(place: Place) -> None:
    """Return when the service works at nothing any more."""
    with closing(place.server.client()) as client:
        for state in ("pending", "running"):
            for job in client.list_jobs(state_filter=state):
                while not job.done():
                    threading.Event().wait(0.02)


@pytest.mark.thorough
def test_t1_a_session_of_the_emulator_is_counted_and_read_at_two_moments(place: Place) -> None:
    """Why no test reads with it while rows are published, unless their number stays.

    It counts a session's rows when the session begins, ignores the moment that is asked for, and
    hands out that many of the rows that are there when they are read. Should this fail one day,
    the emulator has learnt it.
    """
    warehouse = place.warehouse()
    publish(warehouse, staged(place.folder, orders(OLD)))
    storage = warehouse._clients.storage
    assert storage is not None
    dataset = f"projects/proj/datasets/{place.prefix}raw"
    session = storage.create_read_session(
        parent="projects/proj",
        read_session={
            "table": f"{dataset}/tables/orders",
            "data_format": "ARROW",
            "read_options": {"selected_fields": ["id", "v"]},
            "table_modifiers": {"snapshot_time": warehouse._now()},
        },
        max_stream_count=1,
    )
    publish_by("changes", warehouse, new_day(place.folder, "changes"))
    rows = storage.read_rows(session.streams[0].name).to_arrow(session).to_pylist()
    seen = {row["id"]: row["v"] for row in rows}
    assert len(seen) == len(OLD) < len(expected("changes"))
    assert seen.items() < expected("changes").items()


@pytest.mark.thorough
@pytest.mark.soak_for("rest")
@pytest.mark.parametrize("way", ["storage", "rest"])
def test_t1_readers_amid_publications_see_a_whole_day(place: Place, way: str) -> None:
    """Old rows or new ones, never a part, while the same number is published again and again."""
    turns = [staged(place.folder, orders(dict.fromkeys(range(50), str(n)))) for n in range(6)]
    publish(place.warehouse(), turns[0])
    reader, seen = place.warehouse(more=f"&read={way}"), []
    with ThreadPoolExecutor(1) as pool:
        publisher = place.warehouse()
        publishing = pool.submit(lambda: [publish(publisher, turn) for turn in turns[1:]])
        while not publishing.done():
            seen.append(list(values(reader, place.folder).values()))
        publishing.result()
    assert all(len(rows) == 50 and len(set(rows)) == 1 for rows in seen), seen


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


@pytest.mark.soak
def test_l2_a_service_that_is_killed_at_each_moment_loses_nothing(own: Place) -> None:
    publish(own.warehouse(), staged(own.folder, orders(OLD)))
    for moment, ((method, path), how) in REQUESTS.items():
        if "is lost" in moment:
            continue
        body = is_publication if path == PUBLISH[1] else None
        hold = Hold(**how)
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


@pytest.mark.thorough
@pytest.mark.soak_for("load")
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
