"""DuckDB's engine, which a file is attached to for one operation at a time.

Starting an engine takes ten times as long as attaching a file to one that runs. Between two
operations the engine holds no file: others can open it. Turns at a file are `file_turns.py`.
"""

import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

_ALIAS = "warehouse"


class Engine:
    """An engine with these settings: started when it is first used, ended by `close`, by an error
    and with the process."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._running: list[duckdb.DuckDBPyConnection] = []
        self._process = os.getpid()
        weakref.finalize(self, _end, self._running)

    def attach(self, path: Path) -> duckdb.DuckDBPyConnection:
        """A connection to the file, which is made where there is none; `release` ends it.

        Raises what DuckDB does, of any class where the file is damaged.
        """
        connection = self._new()
        try:
            connection.execute(f"ATTACH '{_escaped(path)}' AS {_ALIAS}")
            connection.execute(f"USE {_ALIAS}")
        except BaseException:
            self._abandon(connection)
            raise
        return connection

    @contextmanager
    def released(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Let go of the file afterwards; an open transaction is rolled back.

        After an error the engine ends: DuckDB may refuse all further work on it.
        """
        try:
            yield
        except BaseException:
            self._abandon(connection)
            raise
        connection.close()
        try:
            self._running[0].execute(f"DETACH {_ALIAS}")
        except (duckdb.Error, RuntimeError):  # what was committed is in the file's log
            self.close()

    def close(self) -> None:
        """End it, and let go of the file; using it again starts another."""
        _end(self._running)

    def _new(self) -> duckdb.DuckDBPyConnection:
        if self._process != os.getpid():  # the engine's threads are not in a forked process
            self._process, self._running = os.getpid(), []
            weakref.finalize(self, _end, self._running)
        if not self._running:
            self._running.append(duckdb.connect(config=self._settings))
        connection = self._running[0].cursor()
        connection.execute("SET TimeZone = 'UTC'")  # else moments come back in the machine's
        return connection

    def _abandon(self, connection: duckdb.DuckDBPyConnection) -> None:
        with suppress(duckdb.Error, RuntimeError):
            connection.close()
        self.close()


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _end(running: list[duckdb.DuckDBPyConnection]) -> None:
    while running:
        with suppress(duckdb.Error, RuntimeError):
            running.pop().close()
