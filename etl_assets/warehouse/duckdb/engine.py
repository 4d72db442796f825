"""DuckDB's engine, which a file is attached to for one operation at a time.

Starting an engine takes ten times as long as attaching a file to one that runs. Between two
operations the engine holds no file: others can open it. Turns at a file are `file_turns.py`.
"""

import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

_ALIAS = "warehouse"


class Engine:
    """An engine with these settings, for one operation after the other.

    It starts when it is first used. It ends by `close`, after an error, before the process forks
    (its threads would not be in the child), and with the process.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._running: list[duckdb.DuckDBPyConnection] = []
        self._is_attached = False
        weakref.finalize(self, _end, self._running)
        _ENGINES.add(self)

    def attach(self, path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """A connection to the file, which is made where there is none; use it in `released`.

        With `read_only` DuckDB itself refuses whatever would change the file.

        Whoever calls has the turn at the file. Raises what DuckDB does, of any class where the file
        is damaged.
        """
        if self._is_attached:  # an interrupt came between `attach` and `released`
            _end(self._running)
        self._is_attached = True
        try:
            if not self._running:
                self._running.append(duckdb.connect(config=self._settings))
            connection = self._running[0].cursor()
            connection.execute("SET TimeZone = 'UTC'")  # else moments come back in the machine's
            escaped = str(path).replace("'", "''")
            how = " (READ_ONLY)" if read_only else ""
            connection.execute(f"ATTACH '{escaped}' AS {_ALIAS}{how}")
            connection.execute(f"USE {_ALIAS}")
        except BaseException:
            self._abandon()
            raise
        return connection

    @contextmanager
    def released(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Let go of the file after the block; an open transaction is rolled back.

        After an error the engine ends, because DuckDB may refuse all further work on it.
        """
        try:
            yield
            connection.close()
        except BaseException:
            self._abandon()
            raise
        try:
            self._running[0].execute(f"DETACH {_ALIAS}")
        except (duckdb.Error, RuntimeError):  # what was committed is in the file's log
            _end(self._running)
        self._is_attached = False

    def set(self, name: str, value: str) -> None:
        """Give it another setting; one that runs ends, unless an operation is under way."""
        if self._settings.get(name) != value:
            self._settings[name] = value
            self.close()

    def close(self) -> None:
        """End it, unless an operation is under way; using it again starts another."""
        if not self._is_attached:
            _end(self._running)

    def _abandon(self) -> None:
        _end(self._running)
        self._is_attached = False


@contextmanager
def no_file() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database with nothing in it, for reading where there is no file yet.

    All of them share one engine, which holds no file: to start one takes longer than most reads.
    """
    with _NO_FILE_LOCK:
        if not _NO_FILE:
            _NO_FILE.append(duckdb.connect())
        connection = _NO_FILE[0].cursor()
    try:
        yield connection
    finally:
        connection.close()


def _end(running: list[duckdb.DuckDBPyConnection]) -> None:
    while running:
        with suppress(duckdb.Error, RuntimeError):
            running.pop().close()


def _end_before_fork() -> None:
    for engine in list(_ENGINES):
        engine.close()
    _NO_FILE_LOCK.acquire()  # else a thread of the parent could hold the child's for ever
    _end(_NO_FILE)


_NO_FILE: list[duckdb.DuckDBPyConnection] = []
_NO_FILE_LOCK = threading.Lock()
_ENGINES: "weakref.WeakSet[Engine]" = weakref.WeakSet()
os.register_at_fork(
    before=_end_before_fork,
    after_in_parent=_NO_FILE_LOCK.release,
    after_in_child=_NO_FILE_LOCK.release,
)
