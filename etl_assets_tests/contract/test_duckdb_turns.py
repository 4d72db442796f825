"""M13: turns at the DuckDB file are served in the order in which they were asked for."""

import fcntl
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_assets.core.errors import WarehouseBusy
from etl_assets.warehouse.duckdb.file_turns import turn
from etl_assets.warehouse.duckdb.ticket_queue import _path, queued
from etl_assets_tests.processes import ended, hold, holding, start

WAIT = 100
FILE = "warehouse.duckdb"


def tickets(folder: Path) -> list[int]:
    queue = folder / f"{FILE}.queue"
    return sorted(int(one.name) for one in queue.iterdir() if one.name.isdecimal())


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _hold_turn(signs: Path, folder: Path) -> None:
    with turn(folder / FILE, "testing", WAIT):
        hold(signs)


def _served(folder: Path, name: str) -> None:
    """Take one turn, and write the name into the list of those that were served."""
    with turn(folder / FILE, name, WAIT):
        _log(folder, name)


def _served_again_and_again(folder: Path, name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with turn(folder / FILE, name, WAIT):
            _log(folder, name)
            time.sleep(0.02)


def _log(folder: Path, name: str) -> None:
    with (folder / "served").open("a") as served:
        # Two in their turn at once would be seen: each finds the other's lock.
        fcntl.flock(served, fcntl.LOCK_EX | fcntl.LOCK_NB)
        served.write(f"{name}\n")


def served(folder: Path) -> list[str]:
    return (folder / "served").read_text().split()


def test_m13_who_came_first_is_served_first(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(6)]
    processes = []
    with holding(_hold_turn, tmp_path / "signs", tmp_path):
        for number, name in enumerate(names, start=2):
            processes.append(start(_served, tmp_path, name))
            until(lambda number=number: len(tickets(tmp_path)) == number)
    assert [ended(process) for process in processes] == [0] * len(names)
    assert served(tmp_path) == names
    assert tickets(tmp_path) == []


def test_m13_killed_waiters_and_holders_are_passed_over(tmp_path: Path) -> None:
    rng = random.Random(13)
    names = [f"p{number}" for number in range(10)]
    processes = []
    with holding(_hold_turn, tmp_path / "signs", tmp_path):
        for number, name in enumerate(names, start=2):
            processes.append(start(_served, tmp_path, name))
            until(lambda number=number: len(tickets(tmp_path)) == number)
        killed = set(rng.sample(range(len(names)), 5)) | {0}
        for number in killed:
            pid = processes[number].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
    codes = [ended(process) for process in processes]
    assert codes == [-9 if number in killed else 0 for number in range(len(names))]
    assert served(tmp_path) == [name for n, name in enumerate(names) if n not in killed]


def test_m13_a_killed_holder_lets_the_next_one_in(tmp_path: Path) -> None:
    signs = tmp_path / "signs"
    signs.mkdir()
    holder = start(_hold_turn, signs, tmp_path)
    until((signs / "holds").exists)
    waiters = []
    for number in (2, 3):
        waiters.append(start(_served, tmp_path, f"p{number}"))
        until(lambda number=number: len(tickets(tmp_path)) == number)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert [ended(waiter) for waiter in waiters] == [0, 0]
    assert served(tmp_path) == ["p2", "p3"]


@pytest.mark.thorough
def test_m13_a_sync_is_never_starved_by_twelve_backfills(tmp_path: Path) -> None:
    seconds = 6.0
    busy = [start(_served_again_and_again, tmp_path, f"b{n}", seconds) for n in range(12)]
    until(lambda: (tmp_path / "served").exists() and len(set(served(tmp_path))) == len(busy))
    syncs = 0
    while any(process.is_alive() for process in busy):
        before = len(served(tmp_path))
        with turn(tmp_path / FILE, "sync", WAIT):
            _log(tmp_path, "sync")
            overtaken = len(served(tmp_path)) - 1 - before
        # Each of them at most once, and one that was being served when we came.
        assert overtaken <= len(busy) + 1
        syncs += 1
    assert [ended(process) for process in busy] == [0] * len(busy)
    assert syncs >= 3


def test_m13_random_kills_leave_no_deadlock(tmp_path: Path) -> None:
    rng = random.Random(7)
    processes = {n: start(_served_again_and_again, tmp_path, f"b{n}", 30.0) for n in range(6)}
    until((tmp_path / "served").exists)
    for round_ in range(20):
        number = rng.choice(list(processes))
        pid = processes[number].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert ended(processes[number]) == -9
        processes[number] = start(_served_again_and_again, tmp_path, f"r{round_}", 30.0)
        before = len(served(tmp_path))
        until(lambda before=before: len(served(tmp_path)) > before)
    for process in processes.values():
        process.terminate()
        ended(process)
    with turn(tmp_path / FILE, "afterwards", 5):
        pass
    assert tickets(tmp_path) == []


def test_m13_a_waiter_that_gives_up_does_not_let_those_behind_it_overtake(tmp_path: Path) -> None:
    with holding(_hold_turn, tmp_path / "signs", tmp_path):
        with (
            pytest.raises(WarehouseBusy, match=r"is held by process \d+ \(testing"),
            turn(tmp_path / FILE, "impatient", 0.3),
        ):
            pass
        first = start(_served, tmp_path, "first")
        until(lambda: len(tickets(tmp_path)) == 2)
        second = start(_served, tmp_path, "second")
        until(lambda: len(tickets(tmp_path)) == 3)
    assert [ended(first), ended(second)] == [0, 0]
    assert served(tmp_path) == ["first", "second"]


def test_m13_threads_of_one_process_take_turns_as_well(tmp_path: Path) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        with turn(tmp_path / FILE, "a thread", WAIT):
            order.append(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    with turn(tmp_path / FILE, "testing", WAIT):
        for count, thread in enumerate(threads, start=2):
            thread.start()
            until(lambda count=count: len(tickets(tmp_path)) == count)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_m13_tickets_without_a_holder_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / f"{FILE}.queue"
    folder.mkdir()
    for number in (3, 9, 27):
        _path(folder, number).touch()
    with queued(folder, time.monotonic() + WAIT):
        assert tickets(tmp_path) == [28]
    assert tickets(tmp_path) == []


def test_m13_waiting_costs_little(tmp_path: Path) -> None:
    with holding(_hold_turn, tmp_path / "signs", tmp_path):
        began = time.process_time()
        with pytest.raises(WarehouseBusy), turn(tmp_path / FILE, "impatient", 2):
            pass
        assert time.process_time() - began < 0.5
