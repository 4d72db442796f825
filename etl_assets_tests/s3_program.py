"""The S3 server's own process: `s3_server.py` starts it, and nothing else imports this.

It begins with a bucket `many` of as many small objects as asked for: by HTTP each would cost
milliseconds.
"""

import ctypes
import os
import signal
import sys
from datetime import date, timedelta

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import main

FIRST = date(2024, 1, 15)


def fill(objects: int, days: int) -> None:
    """Make the bucket; its keys are orders/000000.csv and so on, and each holds its number.

    With `days` they are orders/2024-01-15/000000.csv, as many on each of so many days.
    """
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket("many", "us-east-1")
    for number in range(objects):
        folder = f"{FIRST + timedelta(days=number * days // objects)}/" if days else ""
        backend.put_object("many", f"orders/{folder}{number:06}.csv", str(number).encode())


if __name__ == "__main__":
    parent = int(sys.argv.pop(1))
    if sys.platform == "linux":  # it dies with the thread that started it
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    fill(int(sys.argv.pop(1)), int(sys.argv.pop(1)))
    main()
