"""The environments that the peers run in: each its own below `.venv`, made with uv when it is asked
for. None of them is in our locks.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

REPOSITORY = Path(__file__).parents[2]
_MAKING_SECONDS = 900


class NotInstalled(Exception):
    """A peer that cannot be installed here; the message says why in one line."""


def python_of(peer: str) -> Path:
    """The interpreter of the environment that `requirements-<peer>.in` asks for.

    Made if it is not there or out of date; safe when two processes ask at once. Raises
    NotInstalled.
    """
    wanted, folder = REPOSITORY / f"requirements-{peer}.in", REPOSITORY / ".venv" / peer
    python, made_from = folder / "bin" / "python", folder / "made-from"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=_MAKING_SECONDS):
        digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
        if python.exists() and made_from.exists() and made_from.read_text() == digest:
            return python
        shutil.rmtree(folder, ignore_errors=True)
        _run(peer, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder))
        _run(peer, "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted))
        made_from.write_text(digest)  # last: without it the making was interrupted
    return python


def _run(peer: str, *arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else "uv"
    try:
        done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    except OSError as missing:
        raise NotInstalled(f"{peer}: uv does not run ({missing})") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotInstalled(f"{peer}: {' '.join(lines)[:300]}")
