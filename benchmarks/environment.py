"""Where a bench ran: the machine, its load, the versions, the commit and the seeds."""

import inspect
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from etl_assets.demo.shop import fill_shop

PACKAGES = (
    *("dagster", "polars", "pyarrow", "duckdb", "psycopg", "pandera", "sqlalchemy"),
    *("dlt", "connectorx", "pandas"),
)
MINUTE = "%Y-%m-%d %H:%M UTC"
_REPOSITORY = Path(__file__).parents[1]


def environment(url: str) -> dict[str, str]:
    """What a reader needs to judge the figures, each by its name; `url` is the bench's server."""
    return {
        "date": datetime.now(UTC).strftime(MINUTE),
        "commit": _commit(),
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{_memory_gb():.0f} GB",
        "system": platform.platform(terse=True),
        "load at the start": f"{os.getloadavg()[0]:.2f} (a minute), {os.getloadavg()[2]:.2f} (15)",
        "Python": platform.python_version(),
        "PostgreSQL": _postgres(url),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "seeds": f"rows are functions of their number; the demo shop's seed is {_seed()}",
    }


def _seed() -> int:
    seed: int = inspect.signature(fill_shop).parameters["seed"].default
    return seed


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    name = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{name}, with changes" if changed else name


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.M) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _postgres(url: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute("SHOW server_version").fetchone()
    return f"{found[0]}, embedded" if found else "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
