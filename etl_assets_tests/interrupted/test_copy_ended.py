"""R8: a COPY that an interrupt ended has an end for whoever still takes its rows."""

import threading
import time

import psycopg
import pytest
from psycopg import sql

from etl_assets.postgres.copy_pump import Part, Pump

SLOWLY = "SELECT n, repeat('x', {}), pg_sleep(0.001) FROM generate_series(1, 1000000) n"
SECONDS = 60


@pytest.mark.parametrize("width", [1, 100_000], ids=["nothing is there yet", "a part is there"])
@pytest.mark.parametrize("comes", ["after the end", "before it"])
def test_r8_a_parser_that_is_late_finds_the_end(database_url: str, width: int, comes: str) -> None:
    """Its thread may only just have begun when the interrupt ends the COPY and clears all up.

    It waited for ever then, and the command with it.
    """
    taken: list[Part] = []
    with psycopg.connect(database_url) as connection:
        pump = Pump(connection, sql.SQL(SLOWLY).format(width), 1 << 20)
        parser = threading.Thread(target=lambda: taken.extend(pump.parts()), daemon=True)
        pump.start()
        if comes == "before it":
            parser.start()
        pump.end()
        if comes == "after the end":
            parser.start()
        parser.join(SECONDS)
        assert not parser.is_alive()
        assert not pump.is_alive()
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,), "the connection is usable"


class Interrupted(BaseException):
    """As Dagster's interrupt: no Exception."""


class MetInTheStart(threading.Event):
    """What `Thread.start` waits for: here the wait is interrupted, and the thread begins later."""

    def wait(self, timeout: float | None = None) -> bool:
        raise Interrupted

    def set(self) -> None:
        time.sleep(0.5)
        super().set()


def test_r8_an_interrupt_that_meets_the_start_ends_what_was_started(database_url: str) -> None:
    """Its pipes were closed before its thread began, and their numbers given to other files."""
    with psycopg.connect(database_url) as connection:
        pump = Pump(connection, sql.SQL(SLOWLY).format(1), 1 << 20)
        pump._started = MetInTheStart()  # type: ignore[attr-defined]
        with pytest.raises(Interrupted):
            pump.start()
        pump.end()
        assert pump._begun.is_set()
        assert not pump.is_alive()
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)
