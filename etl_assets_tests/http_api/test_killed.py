"""A1: a process that is killed between two pages leaves the old day, and nothing on the disk that
the next one does not clear away."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from etl_assets_tests.http_api.server import Asked, Reply, by_cursor, serve
from etl_assets_tests.http_api.things import open_things, row, thing

PROGRAM = """
import sys
from pathlib import Path
from etl_assets_tests.http_api.things import open_things
with open_things(sys.argv[1], Path(sys.argv[2]), idle=60) as things:
    things.one()
"""


def test_a1_killed_between_pages_the_old_day_stays_and_the_next_load_is_whole(
    tmp_path: Path,
) -> None:
    old = [thing(1)]
    new = [thing(number) for number in range(1, 6)]
    is_asked = threading.Event()

    def never(asked: Asked) -> Reply:
        if asked.params.get("cursor") != "c4":
            return by_cursor(new, 2)(asked)
        is_asked.set()
        return Reply(hangs=True)

    with serve(by_cursor(old, 2)) as api, open_things(api, tmp_path) as things:
        things.one()
        things.platform.close()
        api.answers = never
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, api.url, str(tmp_path)]
        with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
            assert is_asked.wait(60)
            process.send_signal(signal.SIGKILL)
        assert list((tmp_path / "http_pages").glob("*/items.jsonl"))
        assert things.published() == [row(item) for item in old]
        api.answers = by_cursor(new, 2)
        api.asked.clear()
        things.one()
        assert [asked.params.get("cursor") for asked in api.asked] == ["c4"], "it goes on"
        assert things.published() == [row(item) for item in new]
        assert not list((tmp_path / "spool").glob("*"))
        assert not list((tmp_path / "http_pages").glob("*"))
