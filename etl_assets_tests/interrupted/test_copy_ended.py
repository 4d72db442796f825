"""R8: a COPY that an interrupt ended has an end for whoever still takes its rows."""

import threading

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
