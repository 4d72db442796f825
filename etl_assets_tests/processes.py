"""Child processes for tests that need real ones: forked from a server that has the imports done.

A plain `spawn` pays five seconds of imports for each child. Only libraries and what reads no
environment are imported there: a child may have another one.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *("click", "dagster", "dagster_postgres", "duckdb", "pandera.polars", "polars"),
        *("google.cloud.bigquery", "google.cloud.bigquery_storage_v1", "psycopg", "pyarrow"),
        *("rich.console", "sqlalchemy", "etl_assets_tests.source_tables"),
    ]
)
WITHIN_SECONDS = 60


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A process that runs `work`, which must be a function of a module, on picklable arguments."""
    process = _CONTEXT.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def ended(process: ForkServerProcess, seconds: float = WITHIN_SECONDS) -> int:
    """The exit code, -9 after SIGKILL; fails if it does not end in time."""
    process.join(seconds)
    assert process.exitcode is not None, f"{process.name} still runs"
    return process.exitcode


@contextmanager
def holding(work: Callable[..., None], signs: Path, *arguments: Any) -> Iterator[ForkServerProcess]:
    """Run `work(signs, *arguments)`, which calls `hold(signs)` with something in its hands.

    The block runs while it holds; afterwards it may let go, and must end well.
    """
    signs.mkdir()
    process = start(work, signs, *arguments)
    try:
        _await(signs / "holds", process)
        yield process
    finally:
        (signs / "let go").touch()
        code = ended(process)
    assert code == 0


def hold(signs: Path) -> None:
    """In the child: say that it holds, and wait for the sign to let go."""
    (signs / "holds").touch()
    _await(signs / "let go")


def _await(sign: Path, process: ForkServerProcess | None = None) -> None:
    tick = _CONTEXT.Event()
    for _ in range(WITHIN_SECONDS * 100):
        if sign.exists():
            return
        assert process is None or process.exitcode is None, "the child ended too early"
        tick.wait(0.01)
    raise AssertionError(f"no {sign.name} within {WITHIN_SECONDS} s")
