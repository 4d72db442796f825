"""The real `etl-assets` and `dagster` commands, in a clean environment."""

import atexit
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etl_assets_tests.processes import ended, start

PROGRAMS = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]
WITHIN_SECONDS = 500  # the machine may be busy


@dataclass(frozen=True)
class Outcome:
    """What a command left behind; `message` is stderr in one line, as a person reads it."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        return " ".join(self.err.split())


@dataclass(frozen=True)
class Commands:
    """Runs commands with these variables and no others of the test's own, in that folder.

    `etl-assets` is the same `main` in a process of its own, forked from one that has imported the
    libraries: to import them takes longer than most commands work. With `installed` it is the
    program itself.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY
    installed: bool = False

    def etl_assets(self, *arguments: str, limit: int | None = None, **changes: str) -> Outcome:
        """`limit` is the size, in bytes, that no file of the process may exceed."""
        if self.installed:
            assert limit is None, "only a process of `main` is limited"
            return self._run([str(PROGRAMS / "etl-assets"), *arguments], changes)
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            variables = self._variables(changes)
            child = start(_etl_assets, arguments, variables, self.folder, out, err, limit)
            code = ended(child, WITHIN_SECONDS)
            return Outcome(code, out.read_text(), err.read_text())

    def dagster(self, *arguments: str, **changes: str) -> Outcome:
        return self._run([str(PROGRAMS / "dagster"), *arguments], changes)

    def _variables(self, changes: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{PROGRAMS}:{os.defpath}",
            "HOME": os.environ.get("HOME", "/"),
            # This checkout's code, wherever the environment's own installation points.
            "PYTHONPATH": str(REPOSITORY),
            **self.environment,
            **changes,
        }

    def _run(self, command: Sequence[str], changes: Mapping[str, str]) -> Outcome:
        done = subprocess.run(
            command,
            env=self._variables(changes),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


def _etl_assets(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    out: Path,
    err: Path,
    limit: int | None,
) -> None:
    """In the child: what the installed program does, with its streams in files."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if limit is not None:
        # It would cut the byte code of what is imported, too, and Python would keep what is left.
        sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.argv = ["etl-assets", *arguments]
    from etl_assets.cli.main import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked child ends without
