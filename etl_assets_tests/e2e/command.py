"""The real `etl-assets` and `dagster` commands, in a clean environment."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]


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
    """Runs commands with these variables and no others of the test's own, in that folder."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY

    def etl_assets(self, *arguments: str, limit: int | None = None, **changes: str) -> Outcome:
        """`limit` is the size, in bytes, that no file of the process may exceed."""
        return self._run([str(PROGRAMS / "etl-assets"), *arguments], limit, changes)

    def dagster(self, *arguments: str, **changes: str) -> Outcome:
        return self._run([str(PROGRAMS / "dagster"), *arguments], None, changes)

    def _run(
        self, command: Sequence[str], limit: int | None, changes: Mapping[str, str]
    ) -> Outcome:
        if limit is not None:
            limited = "r.setrlimit(r.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)"
            program = (
                f"import os, resource as r, sys; {limited}; os.execv(sys.argv[2], sys.argv[2:])"
            )
            command = [sys.executable, "-c", program, str(limit), *command]
        environment = {
            "PATH": f"{PROGRAMS}:{os.defpath}",
            "HOME": os.environ.get("HOME", "/"),
            # A file size limit would cut the byte code, and Python would keep what is left.
            "PYTHONDONTWRITEBYTECODE": "1",
            # This checkout's code, wherever the environment's own installation points.
            "PYTHONPATH": str(REPOSITORY),
            **self.environment,
            **changes,
        }
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)
