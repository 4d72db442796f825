"""The environment that the BigQuery emulator runs in: `.venv/emulator`, made from its own lock.

The emulator wants Python 3.13 and a DuckDB older than ours. Starting it is in `bigquery_server.py`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements-emulator.lock"
FOLDER = REPOSITORY / ".venv" / "emulator"
VERSIONS = ("3.13", "3.14")  # that the emulator and its DuckDB have wheels for
_MAKING_SECONDS = 600
_VERSION = 'import sys; print("{}.{}".format(*sys.version_info))'

# The server looks for extensions under $HOME and would download those that are not there.
_INSTALL_EXTENSIONS = """
import pathlib, duckdb
at = pathlib.Path(duckdb.__file__).parents[1]
for path in sorted(at.glob("duckdb_extension_*/extensions/*/*.duckdb_extension")):
    duckdb.sql(f"FORCE INSTALL '{path}'")
"""


class NoInterpreter(Exception):
    """This machine cannot run the emulator; the message says so in one line."""


def emulator_python() -> Path:
    """The environment's interpreter; makes the environment if it is not there or out of date.

    Safe when two processes ask at once. Raises NoInterpreter, and RuntimeError if an installation
    fails.
    """
    python = FOLDER / "bin" / "python"
    FOLDER.parent.mkdir(exist_ok=True)
    with FileLock(f"{FOLDER}.lock", timeout=_MAKING_SECONDS):
        made_from = FOLDER / "made-from"  # written last: without it the making was interrupted
        digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
        if python.exists() and made_from.exists() and made_from.read_text() == digest:
            return python
        base = find_interpreter()
        shutil.rmtree(FOLDER, ignore_errors=True)
        _run(_uv(), "venv", "--quiet", "--no-project", "--python", str(base), str(FOLDER))
        _run(
            *(_uv(), "pip", "install", "--quiet", "--python", str(python)),
            *("--require-hashes", "-r", str(LOCK)),
        )
        (FOLDER / "home").mkdir()
        _run(str(python), "-c", _INSTALL_EXTENSIONS, environment=emulator_variables())
        made_from.write_text(digest)
    return python


def emulator_variables() -> dict[str, str]:
    """The environment variables that its processes get, and no others."""
    return {"PATH": os.defpath, "HOME": str(FOLDER / "home"), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def find_interpreter() -> Path:
    """A Python that can run the emulator; raises NoInterpreter."""
    for candidate in _candidates():
        if _version(candidate) in VERSIONS:
            return candidate
    raise NoInterpreter(
        f"no Python {' or '.join(VERSIONS)} for the BigQuery emulator on PATH, in pyenv or uv"
    )


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    for version in VERSIONS:
        if found := shutil.which(f"python{version}"):
            yield Path(found)  # of pyenv it may be a shim, which runs only what is activated
    if root := _answer("pyenv", "root"):
        for version in VERSIONS:
            yield from sorted(Path(root, "versions").glob(f"{version}*/bin/python"), reverse=True)
    for version in VERSIONS:
        if found := _answer(_uv(), "python", "find", "--managed-python", version):
            yield Path(found)


def _version(python: Path) -> str | None:
    return _answer(str(python), "-I", "-c", _VERSION)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else "uv"


def _answer(*command: str) -> str | None:
    """What a command prints, None if it does not run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the BigQuery emulator's environment: {done.stderr[-2000:]}")
