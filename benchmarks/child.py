"""One measurement in a fresh interpreter: `python -m benchmarks.child NAME TASK`.

Imports are not timed, but what they cost in memory counts. The last line printed is the result.
"""

import importlib
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

from benchmarks.task import Task


def main() -> None:
    # Pandera imports it if it is there, as for our tests; where the platform runs it is not.
    sys.modules["hypothesis"] = None  # type: ignore[assignment]
    name, encoded = sys.argv[1:]
    work = importlib.import_module(f"benchmarks.work.{name}")
    task = Task(**json.loads(encoded))
    began, used = time.perf_counter(), _cpu_seconds()
    rows = work.run(task)
    measured = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": _cpu_seconds() - used,
        "rows": rows,
        "peak_rss_mb": _peak_rss_mb(),
    }
    print(json.dumps(measured))


def _cpu_seconds() -> float:
    """User and system time of this process, its threads, and the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_rss_mb() -> float:
    """The most memory that this process had resident, in MB of 1,000,000 bytes.

    `ru_maxrss` starts at what the parent had when it started us, so Linux is asked for our own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if found:
            return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
