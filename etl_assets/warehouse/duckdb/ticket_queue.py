"""A queue of processes and threads for one file: who waits longest is next.

A waiter draws a numbered ticket, a file that it holds by `flock`, and waits for the ticket before
its own. The system drops the lock of a killed process, so that its ticket no longer counts. What a
turn is for, and how its errors are told, is `file_turns.py`.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOOK_SECONDS = 0.01
_DOOR = "door"


class TookTooLong(Exception):
    """The deadline passed before the turn came."""


@contextmanager
def queued(folder: Path, deadline: float) -> Iterator[None]:
    """Wait until every earlier ticket of the folder is gone; the ticket is given back afterwards.

    `deadline` is on the clock of `time.monotonic`. Raises TookTooLong, and OSError where the folder
    cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number, handle = _draw(folder, deadline)
    try:
        while (before := _last_before(folder, number)) is not None:
            _await_end(before, deadline)
        yield
    finally:
        with suppress(OSError):
            _path(folder, number).unlink()
        # Not by closing alone: a process that was forked meanwhile has the file open as well.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _draw(folder: Path, deadline: float) -> tuple[int, int]:
    """The number of a new ticket, and the file that holds it; one at a time passes this door."""
    door = os.open(folder / _DOOR, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while not _locked(door):
            _pause(deadline)
        number = max(_numbers(folder), default=0) + 1
        handle = os.open(_path(folder, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return number, handle
    finally:
        fcntl.flock(door, fcntl.LOCK_UN)
        os.close(door)


def _last_before(folder: Path, number: int) -> Path | None:
    """The ticket that is served next before this one, if there is any."""
    earlier = [other for other in _numbers(folder) if other < number]
    return _path(folder, max(earlier)) if earlier else None


def _await_end(ticket: Path, deadline: float) -> None:
    """Wait until nobody holds the ticket, and remove it: its holder may have been killed."""
    try:
        handle = os.open(ticket, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        while not _locked(handle):
            _pause(deadline)
        with suppress(FileNotFoundError):
            ticket.unlink()
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pause(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TookTooLong
    time.sleep(_LOOK_SECONDS)


def _numbers(folder: Path) -> list[int]:
    return [int(name) for name in os.listdir(folder) if name.isdecimal()]  # noqa: PTH208 - quick


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}"
