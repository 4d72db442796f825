"""The Dagster UI on this machine: webserver, daemon and code server, which end with this process.

Which instance and which code location they serve is decided elsewhere (`backfill.py`).
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
from dagster._daemon.auto_run_reexecution.event_log_consumer import DAGSTER_EVENT_TYPES

from etl_assets.config import Settings, child_environment
from etl_assets.core.errors import ConfigError
from etl_assets.orchestration.backfill import WORKSPACE_FILE, dagster_home

_LOOK_SECONDS = 0.2
# `dagster dev` gives its services 60 seconds to end by themselves.
_PATIENCE = ((signal.SIGINT, 70.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


def run_ui(settings: Settings, port: int, announce: Callable[[], None]) -> int:
    """Serve the UI until it ends or a signal ends it; the exit code.

    `announce` is called once, when the port answers. SIGINT, SIGTERM and SIGHUP to this process
    alone end all of its services. Raises ConfigError where the port is in use.
    """
    _refuse_port_in_use(port)
    with _services(settings, port) as process:
        announced = False
        while process.poll() is None:
            if not announced and _answers(port):
                announced = True
                announce()
            time.sleep(_LOOK_SECONDS)
    return process.returncode or 0


def _workspace(settings: Settings) -> Path:
    """The project's, whose code location may have more than tables, else that of this package."""
    own = settings.project and settings.project / WORKSPACE_FILE.name
    return own if own and own.is_file() else WORKSPACE_FILE


def begin_after_older_runs(instance: dg.DagsterInstance) -> None:
    """Let the daemon that tries killed runs again begin with the runs that are still to come.

    It would do the same by itself, with two warnings in the log of the first `dev` of an instance.
    """
    cursors = instance.daemon_cursor_storage
    keys = {f"EVENT_LOG_CONSUMER_CURSOR-{kind.value}" for kind in DAGSTER_EVENT_TYPES}
    missing = keys - cursors.get_cursor_values(keys).keys()
    if missing:
        newest = instance.event_log_storage.get_maximum_record_id() or 0
        cursors.set_cursor_values(dict.fromkeys(missing, str(newest)))


class _Stop(Exception):
    """A signal asks for the end."""


@contextlib.contextmanager
def _services(settings: Settings, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    home = dagster_home(settings)
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workspace", str(_workspace(settings))]
    environment = child_environment(
        ETL_HOME=str(settings.home), DAGSTER_HOME=str(home), PYTHONWARNINGS="ignore"
    )
    if settings.project is not None:
        others = [path for path in [environment.get("PYTHONPATH")] if path]
        environment["PYTHONPATH"] = os.pathsep.join([str(settings.project), *others])
    before = {number: signal.signal(number, _stop) for number in _stopping()}
    process: subprocess.Popen[bytes] | None = None
    try:
        # From its own folder: Dagster warns of a dagster.yaml in the working directory. In its own
        # group: Ctrl-C reaches it once, from here.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            command,
            cwd=home,
            env=environment,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        yield process
    except _Stop:
        pass
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C does not leave services behind
        if process is not None:
            _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopping() -> list[signal.Signals]:
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def _stop(_number: int, _frame: object) -> None:
    raise _Stop


def _end_with_parent() -> None:
    """In the child: be asked to end when the parent is gone, even if that was killed."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, then what is left of its group: code servers, runs."""
    for number, seconds in _PATIENCE:
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
    for number, seconds in _PATIENCE[1:]:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
            while time.monotonic() < deadline:
                os.killpg(process.pid, 0)
                time.sleep(_LOOK_SECONDS)


def _refuse_port_in_use(port: int) -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} of this machine cannot be used ({error.strerror}).",
                f"Stop the program that uses it, or name another: --port {port + 1}.",
            ) from None


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
