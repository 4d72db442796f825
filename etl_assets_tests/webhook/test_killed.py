"""W2: the service is killed under load, and nothing that was answered 2xx is missing."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etl_assets.demo.server import start_postgres
from etl_assets_tests.webhook.load import Answers, load
from etl_assets_tests.webhook.service import running, wait_until


def ids(landed: list[tuple[str, str, bytes]]) -> list[str]:
    return [event_id for _, event_id, _ in landed]


def killed_under_load(home: Path, url: str, count: int, rate: float, after: int) -> Answers:
    with running(home, url) as service:

        def kill(answered: int) -> None:
            if answered == after:
                service.process.kill()

        answers = load(service.port, count, rate=rate, then=kill)
        assert service.process.wait(10) == -9
    return answers


def test_w2_what_was_answered_before_a_kill_under_load_is_in_the_table(
    tmp_path: Path, database_url: str
) -> None:
    answers = killed_under_load(tmp_path / "home", database_url, 10_000, 0, after=400)
    assert 400 <= len(answers.good) < 1_000
    with running(tmp_path / "home", database_url) as service:
        found = ids(service.landed())
    assert answers.good <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.soak
def test_w2_a_thousand_calls_a_second_are_answered_for_ten_seconds_and_none_is_lost(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path / "home", database_url) as service:
        load(service.port, 500)
        began = time.perf_counter()
        answers = load(service.port, 10_000, rate=1_000, connections=64)
        seconds = time.perf_counter() - began
        found = ids(service.landed())
    with capsys.disabled():
        print(f"\n10,000 calls in {seconds:.1f} s: {answers.shown()}")
    assert len(answers.good) == 10_000
    assert answers.good <= set(found)
    assert len(found) == 10_500
    assert seconds < 12


@pytest.mark.soak
@pytest.mark.parametrize("after", [1_000, 3_000, 5_000])
def test_w2_a_kill_under_a_thousand_calls_a_second_loses_nothing_that_was_answered(
    tmp_path: Path, database_url: str, after: int
) -> None:
    answers = killed_under_load(tmp_path / "home", database_url, 10_000, 1_000, after)
    with running(tmp_path / "home", database_url) as service:
        found = ids(service.landed())
    assert len(answers.good) >= after
    assert answers.good <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.soak
@pytest.mark.parametrize("after", [500, 2_500])
def test_w2_a_database_that_is_killed_under_load_loses_nothing_that_was_answered(
    tmp_path: Path, after: int
) -> None:
    server = start_postgres(tmp_path / "pg")
    server.ensure_database("events")
    killer = ThreadPoolExecutor(1)

    def kill(answered: int) -> None:
        if answered == after:
            killer.submit(server.stop, immediately=True)

    try:
        with running(tmp_path / "home", server.url("events")) as service:
            answers = load(service.port, 4_000, rate=800, then=kill)
            start_postgres(server.data_dir)
            wait_until(lambda: answers.good <= set(ids(service.landed())), 60)
            found = ids(service.landed())
    finally:
        killer.shutdown()
        server.stop(immediately=True)
    by_status = Counter(status for _, status, _ in answers.calls)
    assert by_status.keys() == {200, 202}
    assert (len(found), len(set(found))) == (4_000, 4_000)
