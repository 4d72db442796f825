"""One measurement in a fresh interpreter: `python -m benchmarks.child NAME TASK`.

Imports are not timed, but what they cost in memory counts. The last line printed is the result.
"""

import importlib
import json
import resource
import sys
import time

from benchmarks.task import Task

_KIB_A_MB = 1000 / 1.024
"""`ru_maxrss` is in KiB on Linux; a MB here is 1,000,000 bytes."""


def main() -> None:
    name, encoded = sys.argv[1:]
    work = importlib.import_module(f"benchmarks.work.{name}")
    task = Task(**json.loads(encoded))
    began = time.perf_counter()
    rows = work.run(task)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_MB
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()
